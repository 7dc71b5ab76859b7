package random

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// RandomID is a random identifier in several notations.
type RandomID struct {
	kept[IDArgs, IDState]
}

// IDArgs say how many random bytes an identifier has, and what its notations begin with.
type IDArgs struct {
	Keepers    map[string]string `pulumi:"keepers,optional"`
	ByteLength int               `pulumi:"byteLength"`
	Prefix     *string           `pulumi:"prefix,optional"`
}

// IDState is an identifier's notations, each with the prefix.
type IDState struct {
	IDArgs
	B64URL string `pulumi:"b64Url"`
	B64Std string `pulumi:"b64Std"`
	Hex    string `pulumi:"hex"`
	Dec    string `pulumi:"dec"`
}

func (a IDArgs) plan() any { return a }

func (a IDArgs) problems(known func(...string) bool) []p.CheckFailure {
	if !known("byteLength") {
		return nil
	}
	return atLeast("byteLength", 1, a.ByteLength)
}

// Annotate names the resource.
func (r *RandomID) Annotate(a infer.Annotator) {
	a.SetToken("index/randomId", "RandomId")
	a.Describe(&r, "A random identifier that is not secret. Use RandomBytes for one that is.")
}

// Create draws the bytes. The resource's identifier is their base64 notation for URLs, without the prefix.
func (*RandomID) Create(
	_ context.Context, req infer.CreateRequest[IDArgs],
) (infer.CreateResponse[IDState], error) {
	if req.DryRun {
		return infer.CreateResponse[IDState]{Output: IDState{IDArgs: req.Inputs}}, nil
	}
	drawn, err := randomBytes(req.Inputs.ByteLength)
	return infer.CreateResponse[IDState]{
		ID: base64.RawURLEncoding.EncodeToString(drawn), Output: idState(req.Inputs, drawn),
	}, err
}

// Read imports "ID" or "PREFIX,ID", where ID is the base64 notation for URLs.
func (*RandomID) Read(
	_ context.Context, req infer.ReadRequest[IDArgs, IDState],
) (infer.ReadResponse[IDArgs, IDState], error) {
	id, args := req.ID, IDArgs{}
	if comma := strings.LastIndex(req.ID, ","); comma >= 0 {
		id = req.ID[comma+1:]
		if prefix := req.ID[:comma]; prefix != "" {
			args.Prefix = &prefix
		}
	}
	given, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil {
		return infer.ReadResponse[IDArgs, IDState]{}, fmt.Errorf(
			"importing RandomId: the identifier must be {b64Url} or {prefix},{b64Url}: %w", err)
	}
	args.ByteLength = len(given)
	return infer.ReadResponse[IDArgs, IDState]{ID: id, Inputs: args, State: idState(args, given)}, nil
}

func idState(args IDArgs, bytes []byte) IDState {
	prefix := valueOr(args.Prefix, "")
	return IDState{
		IDArgs: args,
		B64URL: prefix + base64.RawURLEncoding.EncodeToString(bytes),
		B64Std: prefix + base64.StdEncoding.EncodeToString(bytes),
		Hex:    prefix + hex.EncodeToString(bytes),
		Dec:    prefix + new(big.Int).SetBytes(bytes).String(),
	}
}
