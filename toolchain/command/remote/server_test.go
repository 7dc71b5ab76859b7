package remote

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"net"
	"testing"

	"golang.org/x/crypto/ssh"
)

// host is an SSH server in this process that lets in whoever knows the password, and hands each command to run.
type host struct {
	net.Listener
	config *ssh.ServerConfig
	run    func(command string, channel ssh.Channel, signals <-chan string) uint32
}

const password = "open sesame"

// listen starts a server; with interactive it asks for the password as a question.
func listen(t *testing.T, interactive bool) *host {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	started := &host{Listener: listener, config: &ssh.ServerConfig{}}
	verdict := func(given string) (*ssh.Permissions, error) {
		if given != password {
			return nil, fmt.Errorf("wrong password")
		}
		return nil, nil
	}
	if interactive {
		started.config.KeyboardInteractiveCallback = func(
			_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge,
		) (*ssh.Permissions, error) {
			answers, err := ask("", "", []string{"Password: "}, []bool{false})
			if err != nil || len(answers) != 1 {
				return nil, fmt.Errorf("no answer: %w", err)
			}
			return verdict(answers[0])
		}
	} else {
		started.config.PasswordCallback = func(_ ssh.ConnMetadata, given []byte) (*ssh.Permissions, error) {
			return verdict(string(given))
		}
	}
	started.config.AddHostKey(key)
	go started.serve()
	return started
}

func (h *host) endpoint(t *testing.T) Endpoint {
	t.Setenv("SSH_AUTH_SOCK", "")
	address := h.Addr().(*net.TCPAddr)
	name, port, user, known := address.IP.String(), float64(address.Port), "somebody", password
	return Endpoint{Host: &name, Port: &port, User: &user, Password: &known, DialErrorLimit: new(int)}
}

func (h *host) serve() {
	for {
		connection, err := h.Accept()
		if err != nil {
			return
		}
		go h.talk(connection)
	}
}

func (h *host) talk(connection net.Conn) {
	_, channels, requests, err := ssh.NewServerConn(connection, h.config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for wanted := range channels {
		if channel, requests, err := wanted.Accept(); err == nil {
			go h.session(channel, requests)
		}
	}
}

func (h *host) session(channel ssh.Channel, requests <-chan *ssh.Request) {
	signals := make(chan string, 1)
	for request := range requests {
		var text struct{ Value string }
		_ = ssh.Unmarshal(request.Payload, &text)
		_ = request.Reply(request.Type == "exec", nil)
		switch request.Type {
		case "exec":
			go func() {
				status := struct{ Status uint32 }{h.run(text.Value, channel, signals)}
				_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(status))
				_ = channel.Close()
			}()
		case "signal":
			signals <- text.Value
		}
	}
}
