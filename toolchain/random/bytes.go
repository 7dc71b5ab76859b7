package random

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// RandomBytes are random bytes that are secret.
type RandomBytes struct {
	kept[BytesArgs, BytesState]
}

// BytesArgs say how many bytes are wanted.
type BytesArgs struct {
	Keepers map[string]string `pulumi:"keepers,optional"`
	Length  int               `pulumi:"length"`
}

// BytesState is the bytes in two notations.
type BytesState struct {
	BytesArgs
	Base64 string `pulumi:"base64" provider:"secret"`
	Hex    string `pulumi:"hex"    provider:"secret"`
}

func (a BytesArgs) plan() any { return a }

func (a BytesArgs) problems(known func(...string) bool) []p.CheckFailure {
	if !known("length") {
		return nil
	}
	return atLeast("length", 1, a.Length)
}

// Annotate names the resource.
func (r *RandomBytes) Annotate(a infer.Annotator) {
	a.SetToken("index/randomBytes", "RandomBytes")
	a.Describe(&r, "Random bytes that are secret, for keys. Use RandomId for those that are not.")
}

// Create draws the bytes. As with the official plugin they are their own identifier.
func (*RandomBytes) Create(
	_ context.Context, req infer.CreateRequest[BytesArgs],
) (infer.CreateResponse[BytesState], error) {
	if req.DryRun {
		return infer.CreateResponse[BytesState]{Output: BytesState{BytesArgs: req.Inputs}}, nil
	}
	drawn, err := randomBytes(req.Inputs.Length)
	state := bytesState(req.Inputs, drawn)
	return infer.CreateResponse[BytesState]{ID: state.Base64, Output: state}, err
}

// Read imports bytes: the identifier is their base64 notation.
func (*RandomBytes) Read(
	_ context.Context, req infer.ReadRequest[BytesArgs, BytesState],
) (infer.ReadResponse[BytesArgs, BytesState], error) {
	given, err := base64.StdEncoding.DecodeString(req.ID)
	if err != nil {
		return infer.ReadResponse[BytesArgs, BytesState]{}, fmt.Errorf(
			"importing RandomBytes: the identifier must be the bytes in base64: %w", err)
	}
	args := BytesArgs{Length: len(given)}
	return infer.ReadResponse[BytesArgs, BytesState]{ID: req.ID, Inputs: args, State: bytesState(args, given)}, nil
}

func bytesState(args BytesArgs, bytes []byte) BytesState {
	return BytesState{
		BytesArgs: args, Base64: base64.StdEncoding.EncodeToString(bytes), Hex: hex.EncodeToString(bytes),
	}
}

func randomBytes(count int) ([]byte, error) {
	drawn := make([]byte, count)
	if _, err := rand.Read(drawn); err != nil {
		return nil, fmt.Errorf("reading the system's source of randomness: %w", err)
	}
	return drawn, nil
}
