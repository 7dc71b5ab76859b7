package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestACommandThatIgnoresBeingAskedToEndIsKilledWithItsChildren(t *testing.T) {
	folder := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		for !exists(folder + "/ready") {
			time.Sleep(10 * time.Millisecond)
		}
	}()
	in := ProcessInputs{Dir: &folder}
	_, err := run(ctx, `trap "" TERM; sleep 1000 & echo $! > child; touch ready; wait; wait`, in, ProcessOutputs{})
	if err == nil || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	child := pid(t, folder+"/child")
	for syscall.Kill(child, 0) == nil && !strings.Contains(status(child), "State:\tZ") {
		time.Sleep(10 * time.Millisecond) // killed, but not gone yet
	}
}

func TestAFailedRunKeepsWhatTheOneBeforeLeft(t *testing.T) {
	previous := ProcessOutputs{Stdout: "before"}
	outputs, err := run(t.Context(), "echo after; exit 1", ProcessInputs{}, previous)
	if err == nil || outputs.Stdout != "before" {
		t.Errorf("got %+v, %v", outputs, err)
	}
	if _, err := run(t.Context(), "true", ProcessInputs{Interpreter: &[]string{"no-such-program"}}, previous); err == nil {
		t.Error("a program that is not there is no mistake")
	}
}

func TestACommandMayLeaveItsStandardInputUnread(t *testing.T) {
	stdin := strings.Repeat("x", 1<<20)
	if _, err := run(t.Context(), "true", ProcessInputs{Stdin: &stdin}, ProcessOutputs{}); err != nil {
		t.Error(err)
	}
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

func pid(t *testing.T, file string) int {
	t.Helper()
	written, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(strings.TrimSpace(string(written)))
	if err != nil {
		t.Fatal(err)
	}
	return number
}

func status(pid int) string {
	written, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) // empty when it is gone
	return string(written)
}
