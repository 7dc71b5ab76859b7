package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

func TestAPasswordIsGivenHoweverTheServerAsksForIt(t *testing.T) {
	for _, interactive := range []bool{false, true} {
		server := listen(t, interactive)
		connected, err := (&Connection{Endpoint: server.endpoint(t)}).dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		connected.Close()
		wrong := server.endpoint(t)
		wrong.Password = ptr("wrong")
		if _, err := (&Connection{Endpoint: wrong}).dial(t.Context()); err == nil ||
			!strings.Contains(err.Error(), "unable to authenticate") || strings.Contains(err.Error(), "wrong") {
			t.Errorf("got %v", err)
		}
	}
}

func TestAnAttemptThatFailsIsFollowedByAnother(t *testing.T) {
	server := listen(t, false)
	endpoint := server.endpoint(t)
	attempts := 0
	open := func(ctx context.Context, network, address string) (net.Conn, error) {
		if attempts++; attempts < 3 {
			return nil, fmt.Errorf("attempt %d", attempts)
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	for limit, fails := range map[int]string{0: "after 0 failed attempts: attempt 1", 1: "after 1 failed attempts: attempt 2"} {
		attempts, endpoint.DialErrorLimit = 0, &limit
		if _, err := endpoint.dial(t.Context(), "Dial", open); err == nil || !strings.HasSuffix(err.Error(), fails) {
			t.Errorf("limit %d: got %v", limit, err)
		}
	}
	for _, limit := range []int{2, -1} {
		attempts, endpoint.DialErrorLimit = 0, &limit
		connected, err := endpoint.dial(t.Context(), "Dial", open)
		if err != nil {
			t.Fatalf("limit %d: %v", limit, err)
		}
		connected.Close()
	}
}

func TestAServerThatSaysNothingIsNotWaitedForLongerThanTheTimeout(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	endpoint := listen(t, false).endpoint(t)
	endpoint.Port, endpoint.PerDialTimeout = ptr(float64(silent.Addr().(*net.TCPAddr).Port)), ptr(1)
	if _, err := (&Connection{Endpoint: endpoint}).dial(t.Context()); err == nil ||
		!strings.HasSuffix(err.Error(), "no answer within 1s") {
		t.Errorf("got %v", err)
	}
}

func TestCancellingEndsTheAttemptsToConnect(t *testing.T) {
	endpoint := listen(t, false).endpoint(t)
	endpoint.DialErrorLimit = ptr(-1)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := endpoint.dial(ctx, "Dial", func(context.Context, string, string) (net.Conn, error) {
		cancel()
		return nil, errors.New("refused")
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestCancellingEndsTheCommand(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server := listen(t, false)
	server.run = func(_ string, channel ssh.Channel, signals <-chan string) uint32 {
		fmt.Fprintln(channel, "begun")
		cancel()
		fmt.Fprintln(channel, "got", <-signals)
		return 1
	}
	outputs := CommandOutputs{CommandInputs: CommandInputs{Connection: &Connection{Endpoint: server.endpoint(t)}}}
	err := outputs.run(ctx, "sleep")
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "begun\ngot TERM") {
		t.Errorf("got %v", err)
	}
}

func TestACommandReadsItsStandardInputAndItsStreamsAreKeptApart(t *testing.T) {
	server := listen(t, false)
	server.run = func(command string, channel ssh.Channel, _ <-chan string) uint32 {
		read, _ := io.ReadAll(channel)
		fmt.Fprintf(channel, "%s read %s\n", command, read)
		fmt.Fprintln(channel.Stderr(), "error")
		return 0
	}
	outputs := CommandOutputs{CommandInputs: CommandInputs{
		Connection: &Connection{Endpoint: server.endpoint(t)}, Stdin: ptr("input")}}
	if err := outputs.run(t.Context(), "it"); err != nil {
		t.Fatal(err)
	}
	if outputs.Stdout != "it read input" || outputs.Stderr != "error" {
		t.Errorf("got %q, %q", outputs.Stdout, outputs.Stderr)
	}
}

func TestAnRSAHostKeyMaySignWithMoreThanSHA1(t *testing.T) {
	if found := signatures(ssh.KeyAlgoRSA); found[0] != ssh.KeyAlgoRSASHA512 {
		t.Errorf("got %q", found)
	}
	if found := signatures(ssh.KeyAlgoED25519); len(found) != 1 || found[0] != ssh.KeyAlgoED25519 {
		t.Errorf("got %q", found)
	}
}

func ptr[T any](value T) *T { return &value }
