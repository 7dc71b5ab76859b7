package output

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// shown collects what the provider's logger is given.
type shown struct {
	slog.Handler
	lock  sync.Mutex
	lines []string
}

func (s *shown) Enabled(context.Context, slog.Level) bool { return true }
func (s *shown) WithAttrs([]slog.Attr) slog.Handler       { return s }
func (s *shown) Handle(_ context.Context, record slog.Record) error {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.lines = append(s.lines, record.Message)
	return nil
}

func watch(t *testing.T) *shown {
	t.Helper()
	before, watching := slog.Default(), &shown{}
	slog.SetDefault(slog.New(watching))
	t.Cleanup(func() { slog.SetDefault(before) })
	return watching
}

func TestLinesAreShownWhenTheyEndAndEverythingIsKept(t *testing.T) {
	watching := watch(t)
	capture := NewCapture[string](t.Context(), nil)
	for _, written := range []string{"one\ntw", "o\n", "\nlast"} {
		fmt.Fprint(capture.Stdout(), written)
	}
	fmt.Fprint(capture.Stderr(), "error\n")
	if wanted := []string{"one", "two", "", "error"}; !slices.Equal(watching.lines, wanted) {
		t.Errorf("shown before the end: %q", watching.lines)
	}
	stdout, stderr := capture.End()
	if stdout != "one\ntwo\n\nlast" || stderr != "error" {
		t.Errorf("kept %q, %q", stdout, stderr)
	}
	if watching.lines[len(watching.lines)-1] != "last" {
		t.Errorf("shown: %q", watching.lines)
	}
}

func TestALineWithoutAnEndIsShownInParts(t *testing.T) {
	watching := watch(t)
	capture := NewCapture[string](t.Context(), nil)
	long := strings.Repeat("x", 3*longestLine+1)
	fmt.Fprint(capture.Stdout(), long)
	if stdout, _ := capture.End(); stdout != long || len(watching.lines) != 4 {
		t.Errorf("kept %d bytes, shown %d lines", len(stdout), len(watching.lines))
	}
}

func TestOnlyTheStreamsThatWereAskedForAreShown(t *testing.T) {
	for mode, wanted := range map[string][]string{
		"stdout": {"out"}, "stderr": {"err"}, "stdoutAndStderr": {"out", "err"}, "none": nil,
	} {
		watching := watch(t)
		capture := NewCapture(t.Context(), &mode)
		fmt.Fprintln(capture.Stdout(), "out")
		fmt.Fprintln(capture.Stderr(), "err")
		capture.End()
		if !slices.Equal(watching.lines, wanted) {
			t.Errorf("%s: shown %q", mode, watching.lines)
		}
	}
}

func TestAFailureTellsWhatWasWrittenAndThatItWasCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	capture := NewCapture[string](ctx, nil)
	fmt.Fprint(capture.Stdout(), "out\xff")
	cancel()
	cause := errors.New("signal: terminated")
	err := capture.Failed("sleep 1", cause)
	if !errors.Is(err, cause) || !errors.Is(err, context.Canceled) {
		t.Errorf("lost a cause: %v", err)
	}
	if wanted := "signal: terminated (context canceled): running \"sleep 1\":\nout\uFFFD"; err.Error() != wanted {
		t.Errorf("got %q", err)
	}
}

func TestSecretsAreMasked(t *testing.T) {
	secret := func(text string) property.Value { return property.New(text).WithSecret(true) }
	inputs := property.NewMap(map[string]property.Value{
		"plain":  property.New("not a secret"),
		"stdin":  secret("standard input\n"),
		"short":  secret("1"),
		"nested": property.New([]property.Value{property.New(map[string]property.Value{"x": secret("in a map")})}),
		"whole":  property.New(map[string]property.Value{"x": property.New("in a secret map")}).WithSecret(true),
	})
	said := "1: not a secret, standard input, in a map, in a secret map"
	var masked string
	provider := Masked(p.Provider{Create: func(ctx context.Context, _ p.CreateRequest) (p.CreateResponse, error) {
		masked = Mask(ctx, said)
		return p.CreateResponse{}, nil
	}})
	if _, err := provider.Create(t.Context(), p.CreateRequest{Properties: inputs}); err != nil {
		t.Fatal(err)
	}
	if masked != "1: not a secret, [secret], [secret], [secret]" {
		t.Errorf("got %q", masked)
	}
	if Mask(t.Context(), said) != said {
		t.Error("masked without an operation")
	}
}
