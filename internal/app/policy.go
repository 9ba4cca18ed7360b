package app

import (
	"encoding/json"
	"fmt"

	"github.com/shiyi-market/shiyi/internal/programme"
	"github.com/shiyi-market/shiyi/internal/publication"
	"github.com/shiyi-market/shiyi/internal/pupil"
	"github.com/shiyi-market/shiyi/pkg/verify"
)

// policyFormat is the value of a policy's member "format".
const policyFormat = "shiyi.policy/v1"

// policy is the rules that hold while the program runs with its configuration. A change of them is published
// at the start, and its digest is in the public log: nobody can say later that they were others.
func (c Config) policy() (publication.Document, error) {
	body, err := json.MarshalIndent(map[string]any{
		"format": policyFormat,
		"levy": map[string]any{
			"share": "1/10", "unit": "li (0.001 yuan)", "base": "what the buyer paid for goods, tax included, after the seller's own discounts, without shipping, net of refunds",
			"leaf_format": verify.LeafFormat,
		},
		"purpose": map[string]any{
			"only": "education", "region": programme.County, "objection_period": c.Programmes.Period.String(),
		},
		"grants": map[string]any{
			"people":         "who proposes, who approves and who pays are three; a related party needs two who approve",
			"approval_valid": c.Grants.Approval.String(), "objection_period": c.Grants.Period.String(), "fresh_sign_in": c.Grants.SignIn.String(),
			"most": "never beyond what is free",
		},
		"pupils": map[string]any{"access": c.Pupils.Access.String(), "smallest_group": pupil.Smallest},
		"costs":  "none are paid by the fund",
	}, "", " ")
	if err != nil {
		return publication.Document{}, fmt.Errorf("write the policy: %w", err)
	}
	return publication.Document{
		TitleZH: "规则：十分之一、用途、拨付、助学", TitleEN: "The rules: the tenth, its purpose, grants, pupils", MediaType: "application/json", Body: append(body, '\n'),
	}, nil
}
