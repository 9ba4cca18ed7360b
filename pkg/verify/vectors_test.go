package verify_test

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/shiyi-market/shiyi/pkg/verify"
)

// vectors are the proofs of inclusion and of consistency, good and bad, by which implementations
// of the tree are compared: https://github.com/transparency-dev/merkle at 417fb0c3, folder
// testdata, one file a line with its name. They are under the Apache License 2.0.
//
//go:embed testdata/merkle-vectors.jsonl
var vectors string

type vector struct {
	Name    string   `json:"name"`
	Proof   [][]byte `json:"proof"`
	WantErr bool     `json:"wantErr"`

	LeafIdx  uint64 `json:"leafIdx"`
	TreeSize uint64 `json:"treeSize"`
	Root     []byte `json:"root"`
	LeafHash []byte `json:"leafHash"`

	Size1 uint64 `json:"size1"`
	Size2 uint64 `json:"size2"`
	Root1 []byte `json:"root1"`
	Root2 []byte `json:"root2"`
}

// hashed is a hash of a vector; others than those of 32 bytes are refused where they are read.
func hashed(raw ...[]byte) ([]tlog.Hash, error) {
	all := make([]tlog.Hash, len(raw))
	for i, b := range raw {
		if len(b) != tlog.HashSize {
			return nil, fmt.Errorf("a hash of %d bytes", len(b))
		}
		all[i] = tlog.Hash(b)
	}
	return all, nil
}

func (v vector) check() error {
	path, err := hashed(v.Proof...)
	if err != nil {
		return err
	}
	if strings.HasPrefix(v.Name, "inclusion/") {
		h, err := hashed(v.Root, v.LeafHash)
		if err != nil {
			return err
		}
		return tlog.CheckRecord(path, int64(v.TreeSize), h[0], int64(v.LeafIdx), h[1])
	}
	h, err := hashed(v.Root1, v.Root2)
	if err != nil {
		return err
	}
	return verify.Consistent(verify.Checkpoint{Size: int64(v.Size1), Root: h[0]}, verify.Checkpoint{Size: int64(v.Size2), Root: h[1]}, path)
}

// apart are the vectors that we answer otherwise, and why.
var apart = map[string]string{
	"consistency/additional/sizes-are-equal-one-and-proof-is-empty": "its roots are no SHA-256, which our types cannot hold",
}

func TestTheFieldsOwnVectorsPass(t *testing.T) {
	t.Parallel()
	good, bad := 0, 0
	for line := range strings.Lines(vectors) {
		var v vector
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatal(err)
		}
		err := v.check()
		if _, ok := apart[v.Name]; ok {
			if (err != nil) == v.WantErr {
				t.Errorf("%s: it needs no place apart", v.Name)
			}
			continue
		}
		if (err != nil) != v.WantErr {
			t.Errorf("%s: %v, want an error: %t", v.Name, err, v.WantErr)
		}
		if v.WantErr {
			bad++
		} else {
			good++
		}
	}
	if good < 10 || bad < 100 {
		t.Errorf("only %d good and %d bad proofs", good, bad)
	}
}
