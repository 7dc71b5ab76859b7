package remote

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// login is what an SSH client needs to log in to an endpoint.
type login struct {
	address string
	config  *ssh.ClientConfig
	agent   io.Closer // nil when no agent is asked
}

// login collects the ways to log in, and the host key to expect. The agent's connection is to be closed.
func (e Endpoint) login() (login, error) {
	config := &ssh.ClientConfig{User: valueOr(e.User, defaultUser), HostKeyCallback: ssh.InsecureIgnoreHostKey()}
	found := login{
		address: net.JoinHostPort(valueOr(e.Host, ""), strconv.Itoa(int(valueOr(e.Port, defaultPort)))),
		config:  config,
	}
	if e.HostKey != nil {
		expected, _, _, _, err := ssh.ParseAuthorizedKey([]byte(*e.HostKey))
		if err != nil {
			return login{}, fmt.Errorf("hostKey of %s is not a public key (type and key in base64): %w", found.address, err)
		}
		config.HostKeyCallback = ssh.FixedHostKey(expected)
		config.HostKeyAlgorithms = signatures(expected.Type())
	}
	var err error
	if e.PrivateKey != nil {
		err = e.useKey(config)
	} else {
		found.agent, err = e.useAgent(config)
	}
	if err != nil {
		return login{}, err
	}
	if e.Password != nil {
		config.Auth = append(config.Auth, ssh.Password(*e.Password), ssh.KeyboardInteractive(e.answer))
	}
	return found, nil
}

func (e Endpoint) useKey(config *ssh.ClientConfig) error {
	var signer ssh.Signer
	var err error
	if e.PrivateKeyPassword != nil {
		signer, err = ssh.ParsePrivateKeyWithPassphrase([]byte(*e.PrivateKey), []byte(*e.PrivateKeyPassword))
	} else {
		signer, err = ssh.ParsePrivateKey([]byte(*e.PrivateKey))
	}
	var missing *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &missing):
		return fmt.Errorf("privateKey needs a password, set privateKeyPassword: %w", err)
	case err != nil:
		return fmt.Errorf("privateKey cannot be read: %w", err)
	}
	config.Auth = append(config.Auth, ssh.PublicKeys(signer))
	return nil
}

// useAgent asks the agent of the connection; or that of the environment, which need not answer when there is a
// password.
func (e Endpoint) useAgent(config *ssh.ClientConfig) (io.Closer, error) {
	path := valueOr(e.AgentSocketPath, os.Getenv("SSH_AUTH_SOCK"))
	if path == "" {
		return nil, nil
	}
	connection, err := net.Dial("unix", path)
	if err != nil {
		if e.AgentSocketPath == nil && e.Password != nil {
			return nil, nil
		}
		return nil, fmt.Errorf("the SSH agent does not answer: %w", err)
	}
	config.Auth = append(config.Auth, ssh.PublicKeysCallback(agent.NewClient(connection).Signers))
	return connection, nil
}

// answer gives the password to every question of the server.
func (e Endpoint) answer(_, _ string, questions []string, _ []bool) ([]string, error) {
	answers := make([]string, len(questions))
	for at := range questions {
		answers[at] = *e.Password
	}
	return answers, nil
}

func (e Endpoint) dialTimeout() time.Duration {
	return time.Duration(valueOr(e.PerDialTimeout, defaultDialSeconds)) * time.Second
}

func (l login) close() {
	if l.agent != nil {
		_ = l.agent.Close() // it was only read from
	}
}

// signatures are the signature algorithms of a key type: an RSA key's own name stands for SHA-1, which servers
// refuse.
func signatures(keyType string) []string {
	if keyType == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSA}
	}
	return []string{keyType}
}

func valueOr[T any](given *T, standard T) T {
	if given == nil {
		return standard
	}
	return *given
}
