package remote

import (
	"context"
	"fmt"
	"net"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/retry"
	"golang.org/x/crypto/ssh"
)

const (
	// aliveEvery is how often a server is asked whether it is still there.
	aliveEvery = 15 * time.Second
	// aliveWithin is how long it may take to answer, before the connection is given up.
	aliveWithin = 45 * time.Second
)

// client is a connection to a server, through another one where there is a proxy.
type client struct {
	*ssh.Client
	proxy *client
}

// opens makes the TCP connection that SSH is spoken over.
type opens func(ctx context.Context, network, address string) (net.Conn, error)

// dial connects to the server; each attempt that fails is followed by another up to the endpoint's limit, as a
// server that has just been made takes a while to accept logins.
func (c *Connection) dial(ctx context.Context) (*client, error) {
	if c.Proxy == nil {
		return c.Endpoint.dial(ctx, "Dial", new(net.Dialer).DialContext)
	}
	proxy, err := c.Proxy.Endpoint.dial(ctx, "Dial proxy", new(net.Dialer).DialContext)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	server, err := c.Endpoint.dial(ctx, "Dial from proxy", proxy.DialContext)
	if err != nil {
		proxy.Close()
		return nil, fmt.Errorf("through the proxy: %w", err)
	}
	server.proxy = proxy
	return server, nil
}

// Close ends the connection, and the one to the proxy.
func (c *client) Close() {
	_ = c.Client.Close() // nothing is written any more that could get lost
	if c.proxy != nil {
		c.proxy.Close()
	}
}

func (e Endpoint) dial(ctx context.Context, what string, open opens) (*client, error) {
	login, err := e.login()
	if err != nil {
		return nil, err
	}
	defer login.close()
	limit := valueOr(e.DialErrorLimit, defaultErrorLimit)
	var connected *ssh.Client
	_, _, err = retry.Until(ctx, retry.Acceptor{Accept: func(failed int, _ time.Duration) (bool, any, error) {
		var err error
		connected, err = attempt(ctx, login, e.dialTimeout(), open)
		switch {
		case err == nil:
			return true, nil, nil
		case limit >= 0 && failed >= limit:
			return false, nil, fmt.Errorf("connecting to %s: after %d failed attempts: %w", login.address, failed, err)
		case ctx.Err() == nil:
			p.GetLogger(ctx).InfoStatusf("%s %d/%s failed: retrying: %v", what, failed+1, limitText(limit), err)
		}
		return false, nil, nil
	}})
	switch {
	case err != nil:
		return nil, err
	case connected == nil:
		return nil, fmt.Errorf("connecting to %s: %w", login.address, context.Cause(ctx))
	}
	go keepAlive(connected)
	return &client{Client: connected}, nil
}

// attempt connects and logs in once, within the timeout; 0 is no limit.
func attempt(ctx context.Context, to login, timeout time.Duration, open opens) (*ssh.Client, error) {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no answer within %s", timeout))
		defer cancel()
	}
	connection, err := open(ctx, "tcp", to.address)
	if err != nil {
		return nil, err
	}
	// Not a deadline of the connection: one through a proxy has none.
	watching := context.AfterFunc(ctx, func() { _ = connection.Close() })
	established, channels, requests, err := ssh.NewClientConn(connection, to.address, to.config)
	if !watching() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = connection.Close() // the handshake's error is the one to tell
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, err
	}
	return ssh.NewClient(established, channels, requests), nil
}

// keepAlive asks a server whether it is still there, and ends the connection when it does not answer: a command
// that writes nothing for long would otherwise wait forever for a server that is gone.
func keepAlive(server *ssh.Client) {
	ended := make(chan struct{})
	go func() {
		_ = server.Wait() // why it ended does not matter here
		close(ended)
	}()
	for {
		select {
		case <-ended:
			return
		case <-time.After(aliveEvery):
		}
		answered := make(chan struct{})
		go func() {
			_, _, _ = server.SendRequest("keepalive@openssh.com", true, nil) // a refusal is an answer
			close(answered)
		}()
		select {
		case <-ended:
			return
		case <-answered:
		case <-time.After(aliveWithin):
			_ = server.Close() // makes whoever waits for the server fail
			return
		}
	}
}

func limitText(limit int) string {
	if limit < 0 {
		return "inf"
	}
	return fmt.Sprint(limit)
}
