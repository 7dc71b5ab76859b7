package random

import (
	"context"
	"fmt"

	"github.com/pulumi/pulumi-go-provider/infer"
	"golang.org/x/crypto/bcrypt"
)

// bcryptLimit is how many bytes of a password bcrypt looks at.
const bcryptLimit = 72

// RandomPassword is a random text that is secret.
type RandomPassword struct {
	kept[CharactersArgs, PasswordState]
}

// PasswordState is a password with its bcrypt hash, which covers its first 72 bytes.
type PasswordState struct {
	Characters
	Result     string `pulumi:"result"     provider:"secret"`
	BcryptHash string `pulumi:"bcryptHash" provider:"secret"`
}

// Annotate names the resource.
func (r *RandomPassword) Annotate(a infer.Annotator) {
	a.SetToken("index/randomPassword", "RandomPassword")
	a.Describe(&r, "A random text that is secret. Use RandomString for one that is not.")
}

// Create makes the password. Its identifier is the same for all passwords, as identifiers are not secret.
func (*RandomPassword) Create(
	_ context.Context, req infer.CreateRequest[CharactersArgs],
) (infer.CreateResponse[PasswordState], error) {
	state := PasswordState{Characters: req.Inputs.characters()}
	if req.DryRun {
		return infer.CreateResponse[PasswordState]{ID: "none", Output: state}, nil
	}
	var err error
	if state.Result, err = state.text(); err != nil {
		return infer.CreateResponse[PasswordState]{}, err
	}
	state.BcryptHash, err = bcryptHash(state.Result)
	return infer.CreateResponse[PasswordState]{ID: "none", Output: state}, err
}

// Read imports the password that is given in place of an identifier.
func (*RandomPassword) Read(
	_ context.Context, req infer.ReadRequest[CharactersArgs, PasswordState],
) (infer.ReadResponse[CharactersArgs, PasswordState], error) {
	args := textArgs(req.ID)
	state := PasswordState{Characters: args.characters(), Result: req.ID}
	var err error
	state.BcryptHash, err = bcryptHash(state.Result)
	return infer.ReadResponse[CharactersArgs, PasswordState]{ID: "none", Inputs: args, State: state}, err
}

// Update keeps the password: it is only called for a change that does not ask for another one.
func (*RandomPassword) Update(
	_ context.Context, req infer.UpdateRequest[CharactersArgs, PasswordState],
) (infer.UpdateResponse[PasswordState], error) {
	req.State.Characters = req.Inputs.characters()
	return infer.UpdateResponse[PasswordState]{Output: req.State}, nil
}

// textArgs are the arguments that an imported text goes with.
func textArgs(text string) CharactersArgs {
	yes := true
	return CharactersArgs{
		Length: len(text), Special: &yes, Upper: &yes, Lower: &yes, Number: &yes, Numeric: &yes,
	}
}

func bcryptHash(password string) (string, error) {
	hashed := []byte(password)
	hash, err := bcrypt.GenerateFromPassword(hashed[:min(len(hashed), bcryptLimit)], bcrypt.DefaultCost)
	if err != nil {
		return "", fmt.Errorf("making the bcrypt hash of the password: %w", err)
	}
	return string(hash), nil
}
