package random

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// inputs are a resource's arguments: they know which state they ask for and what is wrong with them.
type inputs interface {
	// plan is the state that the arguments ask for, defaults filled in, without what chance decides.
	plan() any
	// problems are the arguments that cannot be met; only those that known confirms may be judged.
	problems(known func(names ...string) bool) []p.CheckFailure
}

// kept gives a resource with the arguments I and the state S the life of a random value: it stays as it is
// until an argument asks for another one, and then a new resource takes its place.
type kept[I inputs, S any] struct{}

// Check refuses arguments that cannot be met, before anything is made or replaced.
func (kept[I, S]) Check(ctx context.Context, req infer.CheckRequest) (infer.CheckResponse[I], error) {
	args, failures, err := infer.DefaultCheck[I](ctx, req.NewInputs)
	if err != nil || len(failures) > 0 {
		return infer.CheckResponse[I]{Inputs: args, Failures: failures}, err
	}
	known := func(names ...string) bool {
		for _, name := range names {
			if req.NewInputs.Get(name).HasComputed() {
				return false
			}
		}
		return true
	}
	return infer.CheckResponse[I]{Inputs: args, Failures: args.problems(known)}, nil
}

// Diff compares the state with what the arguments ask for, so that writing a default out is no change.
func (kept[I, S]) Diff(_ context.Context, req infer.DiffRequest[I, S]) (infer.DiffResponse, error) {
	state, planned := properties(req.State), properties(req.Inputs.plan())
	diff := map[string]p.PropertyDiff{}
	for name := range properties(req.Inputs) {
		before, after := state[name], planned[name]
		if kind, changed := change(name, before, after); changed {
			diff[name] = p.PropertyDiff{Kind: kind}
		}
	}
	return infer.DiffResponse{HasChanges: len(diff) > 0, DetailedDiff: diff}, nil
}

// WireDependencies shows in a preview what the arguments decide; only what chance decides is unknown.
func (kept[I, S]) WireDependencies(f infer.FieldSelector, args *I, state *S) {
	decided := properties(*args)
	value := reflect.ValueOf(state).Elem()
	for _, field := range reflect.VisibleFields(value.Type()) {
		if _, ok := decided[propertyName(field)]; ok {
			f.OutputField(value.FieldByIndex(field.Index).Addr().Interface()).AlwaysKnown()
		}
	}
}

// change says how a property changes from before to after; nil stands for a property that is not set.
func change(name string, before, after any) (p.DiffKind, bool) {
	switch {
	case reflect.DeepEqual(before, after):
		return "", false
	case name == "overrideSpecial" && before == "" && after == nil:
		return p.Update, true // both mean the default characters
	case before == nil:
		return p.AddReplace, true
	case after == nil:
		return p.DeleteReplace, true
	default:
		return p.UpdateReplace, true
	}
}

// properties are the values of a struct by property name: nil when not set, pointers followed.
func properties(of any) map[string]any {
	value := reflect.ValueOf(of)
	named := map[string]any{}
	for _, field := range reflect.VisibleFields(value.Type()) {
		name := propertyName(field)
		if name == "" {
			continue
		}
		found := value.FieldByIndex(field.Index)
		switch {
		case found.Kind() == reflect.Pointer && found.IsNil(), found.Kind() == reflect.Map && found.Len() == 0:
			named[name] = nil
		case found.Kind() == reflect.Pointer:
			named[name] = found.Elem().Interface()
		default:
			named[name] = found.Interface()
		}
	}
	return named
}

func propertyName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("pulumi"), ",")
	return name
}

// atLeast is the failure of a whole number that is too small.
func atLeast(name string, least, given int) []p.CheckFailure {
	if given >= least {
		return nil
	}
	return []p.CheckFailure{{Property: name, Reason: fmt.Sprintf("must be at least %d, got %d", least, given)}}
}

// valueOr is what a pointer points to, or the default when it is nil.
func valueOr[T any](given *T, standard T) T {
	if given == nil {
		return standard
	}
	return *given
}

// secrets marks the named properties, where they are set.
func secrets(of property.Map, names []string) property.Map {
	for _, name := range names {
		if value, ok := of.GetOk(name); ok {
			of = of.Set(name, value.WithSecret(true))
		}
	}
	return of
}
