package fault_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/shiyi-market/shiyi/internal/fault"
)

func TestCopiesAreTheSameFaultAndLeaveTheDeclaredOneAlone(t *testing.T) {
	t.Parallel()
	declared := fault.New(fault.Conflict, "order.wrong_state", "wrong state", "状态不符")
	before := *declared
	got := declared.With("the order is %s", "paid").At("/lines/0", "state", "paid").After(time.Second)

	if !errors.Is(fmt.Errorf("wrapped: %w", got), declared) {
		t.Error("a wrapped copy is not the declared fault")
	}
	if errors.Is(got, fault.New(fault.Conflict, "order.other", "", "")) {
		t.Error("two codes are one fault")
	}
	if diff := cmp.Diff(before, *declared); diff != "" {
		t.Errorf("the declared fault changed (-want +got):\n%s", diff)
	}
	want := []fault.Field{{Pointer: "/lines/0", Keyword: "state", Message: "paid"}}
	if diff := cmp.Diff(want, got.Fields); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	if got.RetryAfter != time.Second || got.Error() != "order.wrong_state: the order is paid" {
		t.Errorf("got %v after %v", got, got.RetryAfter)
	}
	if fault.Of(fmt.Errorf("x: %w", got)) == nil || fault.Of(errors.New("x")) != nil {
		t.Error("Of finds the wrong errors")
	}
}
