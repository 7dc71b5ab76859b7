package random

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

const (
	uppercase = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	lowercase = "abcdefghijklmnopqrstuvwxyz"
	digits    = "0123456789"
	specials  = "!@#$%&*()-_=+[]{}<>:?"
)

// CharactersArgs are the arguments of RandomPassword and of RandomString.
type CharactersArgs struct {
	Keepers         map[string]string `pulumi:"keepers,optional"`
	Length          int               `pulumi:"length"`
	Special         *bool             `pulumi:"special,optional"`
	Upper           *bool             `pulumi:"upper,optional"`
	Lower           *bool             `pulumi:"lower,optional"`
	Number          *bool             `pulumi:"number,optional"`
	Numeric         *bool             `pulumi:"numeric,optional"`
	MinNumeric      *int              `pulumi:"minNumeric,optional"`
	MinUpper        *int              `pulumi:"minUpper,optional"`
	MinLower        *int              `pulumi:"minLower,optional"`
	MinSpecial      *int              `pulumi:"minSpecial,optional"`
	OverrideSpecial *string           `pulumi:"overrideSpecial,optional"`
}

// Annotate tells a program which argument has a better name now.
func (a *CharactersArgs) Annotate(annotator infer.Annotator) {
	annotator.Deprecate(&a.Number, "**NOTE**: This is deprecated, use `numeric` instead.")
}

// Characters say of how many characters of which classes a text is made.
type Characters struct {
	Keepers         map[string]string `pulumi:"keepers,optional"`
	Length          int               `pulumi:"length"`
	Special         bool              `pulumi:"special"`
	Upper           bool              `pulumi:"upper"`
	Lower           bool              `pulumi:"lower"`
	Number          bool              `pulumi:"number"`
	Numeric         bool              `pulumi:"numeric"`
	MinNumeric      int               `pulumi:"minNumeric"`
	MinUpper        int               `pulumi:"minUpper"`
	MinLower        int               `pulumi:"minLower"`
	MinSpecial      int               `pulumi:"minSpecial"`
	OverrideSpecial *string           `pulumi:"overrideSpecial,optional"`
}

// Annotate tells a program which output has a better name now.
func (c *Characters) Annotate(annotator infer.Annotator) {
	annotator.Deprecate(&c.Number, "**NOTE**: This is deprecated, use `numeric` instead.")
}

// characters are the arguments with the defaults filled in; number and numeric are two names for one thing.
func (a CharactersArgs) characters() Characters {
	numeric := valueOr(a.Numeric, valueOr(a.Number, true))
	return Characters{
		Keepers:         a.Keepers,
		Length:          a.Length,
		Special:         valueOr(a.Special, true),
		Upper:           valueOr(a.Upper, true),
		Lower:           valueOr(a.Lower, true),
		Number:          numeric,
		Numeric:         numeric,
		MinNumeric:      valueOr(a.MinNumeric, 0),
		MinUpper:        valueOr(a.MinUpper, 0),
		MinLower:        valueOr(a.MinLower, 0),
		MinSpecial:      valueOr(a.MinSpecial, 0),
		OverrideSpecial: a.OverrideSpecial,
	}
}

func (a CharactersArgs) plan() any { return a.characters() }

func (a CharactersArgs) problems(known func(...string) bool) []p.CheckFailure {
	c := a.characters()
	var failures []p.CheckFailure
	minimums := map[string]int{
		"minLower": c.MinLower, "minNumeric": c.MinNumeric, "minSpecial": c.MinSpecial, "minUpper": c.MinUpper,
	}
	sum := 0
	for _, name := range []string{"minLower", "minNumeric", "minSpecial", "minUpper"} {
		failures = append(failures, atLeast(name, 0, minimums[name])...)
		sum += minimums[name]
	}
	if known("length") {
		failures = append(failures, atLeast("length", 1, c.Length)...)
	}
	if known("length", "minLower", "minNumeric", "minSpecial", "minUpper") && c.Length < sum {
		failures = append(failures, p.CheckFailure{Property: "length", Reason: fmt.Sprintf(
			"must be at least minUpper + minLower + minNumeric + minSpecial = %d, got %d", sum, c.Length)})
	}
	if !known("number", "numeric", "special", "upper", "lower") {
		return failures
	}
	if a.Number != nil && a.Numeric != nil && *a.Number != *a.Numeric {
		failures = append(failures, p.CheckFailure{Property: "number", Reason: fmt.Sprintf(
			"number is %t and numeric is %t, but they are one setting; number is deprecated, use numeric alone",
			*a.Number, *a.Numeric)})
	}
	if !c.Numeric && !c.Special && !c.Upper && !c.Lower {
		failures = append(failures, p.CheckFailure{
			Property: "numeric", Reason: "at least one of numeric, special, upper and lower must be true"})
	}
	return failures
}

// text makes a text of these characters. It has the length that was asked for, in characters, and at least the
// asked-for number of each class, also of a class that is switched off, at places that chance decides.
func (c Characters) text() (string, error) {
	special := specials
	if valueOr(c.OverrideSpecial, "") != "" {
		special = *c.OverrideSpecial
	}
	var all strings.Builder
	var text []rune
	for _, class := range []struct {
		characters string
		wanted     bool
		least      int
	}{
		{uppercase, c.Upper, c.MinUpper},
		{lowercase, c.Lower, c.MinLower},
		{digits, c.Numeric, c.MinNumeric},
		{special, c.Special, c.MinSpecial},
	} {
		if class.wanted {
			all.WriteString(class.characters)
		}
		drawn, err := draw(class.characters, class.least)
		if err != nil {
			return "", err
		}
		text = append(text, drawn...)
	}
	rest, err := draw(all.String(), c.Length-len(text))
	if err != nil {
		return "", err
	}
	text = append(text, rest...)
	if err := shuffle(text); err != nil {
		return "", err
	}
	return string(text), nil
}

// draw takes count characters, each as likely as any other, from the system's source of randomness.
func draw(from string, count int) ([]rune, error) {
	set := []rune(from)
	if len(set) == 0 && count > 0 {
		return nil, errors.New("there are no characters to choose from: all classes are switched off")
	}
	drawn := make([]rune, 0, max(count, 0))
	for range count {
		at, err := below(len(set))
		if err != nil {
			return nil, err
		}
		drawn = append(drawn, set[at])
	}
	return drawn, nil
}

// shuffle puts the characters into an order that chance decides.
func shuffle(text []rune) error {
	for last := len(text) - 1; last > 0; last-- {
		at, err := below(last + 1)
		if err != nil {
			return err
		}
		text[last], text[at] = text[at], text[last]
	}
	return nil
}

func below(limit int) (int, error) {
	number, err := rand.Int(rand.Reader, big.NewInt(int64(limit)))
	if err != nil {
		return 0, fmt.Errorf("reading the system's source of randomness: %w", err)
	}
	return int(number.Int64()), nil
}
