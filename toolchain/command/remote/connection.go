// Package remote runs commands on a server over SSH and copies files to it.
package remote

import "github.com/pulumi/pulumi-go-provider/infer"

const (
	defaultUser        = "root"
	defaultPort        = 22
	defaultErrorLimit  = 10
	defaultDialSeconds = 15
)

// Connection says how to reach a server and who it must be.
type Connection struct {
	Endpoint
	Proxy *ProxyConnection `pulumi:"proxy,optional"`
}

// ProxyConnection says how to reach the server that a connection goes through.
type ProxyConnection struct {
	Endpoint
}

// Endpoint is one server: its address, its host key and the ways to log in.
type Endpoint struct {
	User               *string  `pulumi:"user,optional"`
	Password           *string  `pulumi:"password,optional"           provider:"secret"`
	Host               *string  `pulumi:"host"`
	Port               *float64 `pulumi:"port,optional"`
	PrivateKey         *string  `pulumi:"privateKey,optional"         provider:"secret"`
	PrivateKeyPassword *string  `pulumi:"privateKeyPassword,optional" provider:"secret"`
	AgentSocketPath    *string  `pulumi:"agentSocketPath,optional"`
	DialErrorLimit     *int     `pulumi:"dialErrorLimit,optional"`
	PerDialTimeout     *int     `pulumi:"perDialTimeout,optional"`
	HostKey            *string  `pulumi:"hostKey,optional"`
}

// Annotate describes the properties.
func (e *Endpoint) Annotate(a infer.Annotator) {
	a.Describe(&e.User, "The user to log in as.")
	a.SetDefault(&e.User, defaultUser)
	a.Describe(&e.Password, "The password to log in with.")
	a.Describe(&e.Host, "The address of the server.")
	a.Describe(&e.Port, "The port of the server's SSH service.")
	a.SetDefault(&e.Port, defaultPort)
	a.Describe(&e.PrivateKey, "The private key to log in with; it is tried before the password.")
	a.Describe(&e.PrivateKeyPassword, "The password of the private key.")
	a.Describe(&e.AgentSocketPath, "The socket of the SSH agent to log in with; SSH_AUTH_SOCK when not given. "+
		"An agent is not asked when there is a private key.")
	a.Describe(&e.DialErrorLimit, "How many failed attempts to connect are followed by another; -1: no limit.")
	a.SetDefault(&e.DialErrorLimit, defaultErrorLimit)
	a.Describe(&e.PerDialTimeout, "How many seconds an attempt to connect may take; 0: no limit.")
	a.SetDefault(&e.PerDialTimeout, defaultDialSeconds)
	a.Describe(&e.HostKey, "The key that the server must have, as in known_hosts: type and key in base64. "+
		"Any key is accepted when not given.")
}

// Annotate describes the type.
func (c *Connection) Annotate(a infer.Annotator) {
	a.Describe(&c, "How to reach a server over SSH.")
	a.Describe(&c.Proxy, "The server that the connection goes through.")
}

// Annotate describes the type.
func (c *ProxyConnection) Annotate(a infer.Annotator) {
	a.Describe(&c, "How to reach, over SSH, the server that a connection goes through.")
}

// Logging says which of a command's streams are shown while it runs.
type Logging string

// Values lists the choices.
func (Logging) Values() []infer.EnumValue[Logging] {
	return []infer.EnumValue[Logging]{
		{Value: "stdout", Description: "Capture stdout in logs but not stderr"},
		{Value: "stderr", Description: "Capture stderr in logs but not stdout"},
		{Value: "stdoutAndStderr", Description: "Capture stdout and stderr in logs"},
		{Value: "none", Description: "Capture no logs"},
	}
}
