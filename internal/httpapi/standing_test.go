package httpapi_test

import (
	"encoding/json"
	"net/http"
	"testing"
)

// An identity document is read by an operator alone, and each time it is written down.
func TestWhoReadsTheScanOfALicenceIsWrittenDown(t *testing.T) {
	t.Parallel()
	s := newShop(t, options{})
	scan := uploaded(t, s.upload(t, "miller", "file:许可证.png", drawing(t, 4)))
	other := uploaded(t, s.upload(t, "li", "file:身份证.png", drawing(t, 5)))
	w := s.call(t, http.MethodPost, "/v1/merchant/licences", s.token(t, "miller"), map[string]any{
		"merchant_id": names()["miller"], "kind": "SC", "no": "SC10115252799011", "issued_on": "2026-11-02", "expires_on": "2031-11-01", "file_ids": []string{scan},
	})
	var filed struct{ ID string }
	must(t, json.Unmarshal(w.Body.Bytes(), &filed))
	links := "/v1/ops/licences/" + filed.ID + "/links"
	for who, want := range map[string]int{"miller": http.StatusForbidden, "auditor": http.StatusForbidden, "operator": http.StatusOK} {
		if w := s.call(t, http.MethodPost, links, s.token(t, who), nil); w.Code != want {
			t.Errorf("%s: %d %s, want %d", who, w.Code, w.Body, want)
		}
	}
	if w := s.call(t, http.MethodPost, links+"?file_id="+other, s.token(t, "operator"), nil); w.Code != http.StatusNotFound {
		t.Errorf("a file that is not the licence's: %d %s", w.Code, w.Body)
	}
	w = s.call(t, http.MethodPost, links+"?file_id="+scan, s.token(t, "operator"), nil)
	var got struct {
		Data []struct {
			FileID string `json:"file_id"`
			Path   string
		}
	}
	must(t, json.Unmarshal(w.Body.Bytes(), &got))
	if len(got.Data) != 1 || got.Data[0].FileID != scan {
		t.Fatalf("links: %d %s", w.Code, w.Body)
	}
	if w := s.call(t, http.MethodGet, got.Data[0].Path, "", nil); w.Code != http.StatusOK {
		t.Errorf("read by the link: %d %s", w.Code, w.Body)
	}
	var read int
	must(t, s.DB.SQL().QueryRowContext(t.Context(), `SELECT count(*) FROM trail_entry WHERE operation = 'standing.read_scan' AND detail->>'file' = $1`, scan).Scan(&read))
	if read != 2 {
		t.Errorf("written down %d times, want both", read)
	}
}
