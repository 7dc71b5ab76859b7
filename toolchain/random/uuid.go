package random

import (
	"context"
	"fmt"

	google "github.com/google/uuid"
	hashicorp "github.com/hashicorp/go-uuid"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// UUIDArgs are the arguments of all resources that are a UUID.
type UUIDArgs struct {
	Keepers map[string]string `pulumi:"keepers,optional"`
}

// UUIDState is a UUID in the usual notation.
type UUIDState struct {
	UUIDArgs
	Result string `pulumi:"result"`
}

func (a UUIDArgs) plan() any { return a }

func (a UUIDArgs) problems(func(...string) bool) []p.CheckFailure { return nil }

type (
	keptUUID    = kept[UUIDArgs, UUIDState]
	createUUID  = infer.CreateRequest[UUIDArgs]
	uuidCreated = infer.CreateResponse[UUIDState]
	readUUID    = infer.ReadRequest[UUIDArgs, UUIDState]
	uuidRead    = infer.ReadResponse[UUIDArgs, UUIDState]
)

// RandomUUID is 16 random bytes in the notation of a UUID; it has no version.
type RandomUUID struct{ keptUUID }

// Annotate names the resource.
func (r *RandomUUID) Annotate(a infer.Annotator) {
	a.SetToken("index/randomUuid", "RandomUuid")
	a.Describe(&r, "16 random bytes in the notation of a UUID, without a version.")
}

// Create makes the UUID.
func (*RandomUUID) Create(_ context.Context, req createUUID) (uuidCreated, error) {
	return newUUID(req, hashicorp.GenerateUUID)
}

// Read imports the UUID that is given as the identifier.
func (*RandomUUID) Read(_ context.Context, req readUUID) (uuidRead, error) {
	return importedUUID(req, func(given string) (string, error) {
		bytes, err := hashicorp.ParseUUID(given)
		if err != nil {
			return "", err
		}
		return hashicorp.FormatUUID(bytes)
	})
}

// RandomUUID4 is a UUID of version 4: random but for the version.
type RandomUUID4 struct{ keptUUID }

// Annotate names the resource.
func (r *RandomUUID4) Annotate(a infer.Annotator) {
	a.SetToken("index/randomUuid4", "RandomUuid4")
	a.Describe(&r, "A UUID of version 4.")
}

// Create makes the UUID.
func (*RandomUUID4) Create(_ context.Context, req createUUID) (uuidCreated, error) {
	return newUUID(req, notation(google.NewRandom))
}

// Read imports the UUID that is given as the identifier.
func (*RandomUUID4) Read(_ context.Context, req readUUID) (uuidRead, error) {
	return importedUUID(req, parse)
}

// RandomUUID7 is a UUID of version 7: it begins with the time, so that later ones sort behind earlier ones.
type RandomUUID7 struct{ keptUUID }

// Annotate names the resource.
func (r *RandomUUID7) Annotate(a infer.Annotator) {
	a.SetToken("index/randomUuid7", "RandomUuid7")
	a.Describe(&r, "A UUID of version 7, which begins with the time.")
}

// Create makes the UUID.
func (*RandomUUID7) Create(_ context.Context, req createUUID) (uuidCreated, error) {
	return newUUID(req, notation(google.NewV7))
}

// Read imports the UUID that is given as the identifier.
func (*RandomUUID7) Read(_ context.Context, req readUUID) (uuidRead, error) {
	return importedUUID(req, parse)
}

func newUUID(req createUUID, generate func() (string, error)) (uuidCreated, error) {
	state := UUIDState{UUIDArgs: req.Inputs}
	if req.DryRun {
		return uuidCreated{Output: state}, nil
	}
	var err error
	if state.Result, err = generate(); err != nil {
		return uuidCreated{}, fmt.Errorf("making a UUID: %w", err)
	}
	return uuidCreated{ID: state.Result, Output: state}, nil
}

func importedUUID(req readUUID, normalise func(string) (string, error)) (uuidRead, error) {
	result, err := normalise(req.ID)
	if err != nil {
		return uuidRead{}, fmt.Errorf("importing a UUID: %q is none: %w", req.ID, err)
	}
	return uuidRead{ID: result, State: UUIDState{Result: result}}, nil
}

func notation(generate func() (google.UUID, error)) func() (string, error) {
	return func() (string, error) {
		generated, err := generate()
		return generated.String(), err
	}
}

func parse(given string) (string, error) {
	parsed, err := google.Parse(given)
	return parsed.String(), err
}
