package random

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/blang/semver"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/integration"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

func server(t *testing.T) integration.Server {
	t.Helper()
	started, err := integration.NewServer(
		t.Context(), Name, semver.MustParse(Version), integration.WithProvider(New()))
	if err != nil {
		t.Fatal(err)
	}
	return started
}

func urn(kind string) resource.URN {
	token := "random:index/" + strings.ToLower(kind[:1]) + kind[1:] + ":" + kind
	return resource.NewURN("test", "project", "", tokens.Type(token), "name")
}

// given turns what a program would write, in JSON, into properties.
func given(t *testing.T, document string) property.Map {
	t.Helper()
	var plain map[string]any
	if err := json.Unmarshal([]byte(document), &plain); err != nil {
		t.Fatal(err)
	}
	return resource.FromResourcePropertyMap(resource.NewPropertyMapFromMap(plain))
}

func TestArgumentsThatCannotBeMetAreRefused(t *testing.T) {
	for name, test := range map[string]struct{ kind, inputs, property, reason string }{
		"no length":         {"RandomPassword", `{"length": 0}`, "length", "must be at least 1, got 0"},
		"too much asked":    {"RandomString", `{"length": 3, "minLower": 2, "minUpper": 2}`, "length", "= 4, got 3"},
		"negative minimum":  {"RandomString", `{"length": 3, "minLower": -1}`, "minLower", "must be at least 0, got -1"},
		"two numerics":      {"RandomString", `{"length": 3, "number": true, "numeric": false}`, "number", "one setting"},
		"no class":          {"RandomString", `{"length": 3, "numeric": false, "special": false, "upper": false, "lower": false}`, "numeric", "at least one"},
		"no bytes":          {"RandomBytes", `{"length": 0}`, "length", "must be at least 1"},
		"no identifier":     {"RandomId", `{"byteLength": 0}`, "byteLength", "must be at least 1"},
		"empty range":       {"RandomInteger", `{"min": 5, "max": 4}`, "min", "got min 5 and max 4"},
		"too large a range": {"RandomInteger", `{"min": -9e18, "max": 9e18}`, "max", "too large"},
		"negative count":    {"RandomShuffle", `{"inputs": ["a"], "resultCount": -1}`, "resultCount", "at least 0"},
		"missing":           {"RandomId", `{}`, "byteLength", ""},
	} {
		t.Run(name, func(t *testing.T) {
			resp, err := server(t).Check(p.CheckRequest{Urn: urn(test.kind), Inputs: given(t, test.inputs)})
			if err != nil {
				t.Fatal(err)
			}
			if len(resp.Failures) != 1 || resp.Failures[0].Property != test.property ||
				!strings.Contains(resp.Failures[0].Reason, test.reason) {
				t.Errorf("got %+v", resp.Failures)
			}
		})
	}
}

func TestArgumentsThatAreNotKnownYetAreNotJudged(t *testing.T) {
	inputs := given(t, `{"minLower": 2}`).Set("length", property.New(property.Computed))
	resp, err := server(t).Check(p.CheckRequest{Urn: urn("RandomPassword"), Inputs: inputs})
	if err != nil || len(resp.Failures) != 0 {
		t.Errorf("got %v, %+v", err, resp.Failures)
	}
	if !resp.Inputs.Get("length").IsComputed() {
		t.Errorf("the length is no longer unknown: %v", resp.Inputs)
	}
}

func TestAPreviewKnowsAllThatChanceDoesNotDecide(t *testing.T) {
	resp, err := server(t).Create(p.CreateRequest{
		Urn: urn("RandomPassword"), Properties: given(t, `{"length": 8, "special": false}`), DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range resp.Properties.All {
		if unknown := name == "result" || name == "bcryptHash"; value.IsComputed() != unknown {
			t.Errorf("%s is %v", name, value)
		}
	}
	if !resp.Properties.Get("result").Secret() || !resp.Properties.Get("upper").Equals(property.New(true)) {
		t.Errorf("got %v", resp.Properties)
	}
}

func TestDifferences(t *testing.T) {
	const keepers = `{"length": 8, "keepers": {"a": "1"}}`
	for name, test := range map[string]struct{ before, after, differs string }{
		"nothing":             {keepers, keepers, ""},
		"a default":           {`{"length": 8}`, `{"length": 8, "special": true, "minLower": 0, "number": true}`, ""},
		"no keepers":          {`{"length": 8}`, `{"length": 8, "keepers": {}}`, ""},
		"a keeper":            {keepers, `{"length": 8, "keepers": {"a": "2"}}`, "keepers:update&replace"},
		"new keepers":         {`{"length": 8}`, keepers, "keepers:add&replace"},
		"keepers gone":        {keepers, `{"length": 8}`, "keepers:delete&replace"},
		"the older name":      {`{"length": 8}`, `{"length": 8, "number": false}`, "number:update&replace numeric:update&replace"},
		"special characters":  {`{"length": 8}`, `{"length": 8, "overrideSpecial": "+"}`, "overrideSpecial:add&replace"},
		"none instead of the": {`{"length": 8, "overrideSpecial": ""}`, `{"length": 8}`, "overrideSpecial:update"},
	} {
		t.Run(name, func(t *testing.T) {
			server := server(t)
			created, err := server.Create(p.CreateRequest{Urn: urn("RandomString"), Properties: given(t, test.before)})
			if err != nil {
				t.Fatal(err)
			}
			state := created.Properties.Set("__pulumi_raw_state_delta", property.New("the official plugin's"))
			diff, err := server.Diff(p.DiffRequest{
				ID: created.ID, Urn: urn("RandomString"), State: state, Inputs: given(t, test.after)})
			if err != nil {
				t.Fatal(err)
			}
			wanted := strings.Fields(test.differs)
			if diff.HasChanges != (len(wanted) > 0) || len(diff.DetailedDiff) != len(wanted) || diff.DeleteBeforeReplace {
				t.Errorf("got %+v", diff)
			}
			for _, one := range wanted {
				name, kind, _ := strings.Cut(one, ":")
				if diff.DetailedDiff[name].Kind != p.DiffKind(kind) {
					t.Errorf("%s: got %q", name, diff.DetailedDiff[name].Kind)
				}
			}
		})
	}
}

func TestImport(t *testing.T) {
	for name, test := range map[string]struct{ kind, given, id, fails string }{
		"prefix":         {"RandomId", "a,b,AAAA", "AAAA", ""},
		"no base64":      {"RandomId", "a b", "", "{prefix},{b64Url}"},
		"no bytes":       {"RandomBytes", "a b", "", "in base64"},
		"two parts":      {"RandomInteger", "1,2", "", "{result},{min},{max}"},
		"no number":      {"RandomInteger", "1,x,3", "", "min must be a whole number"},
		"no UUID":        {"RandomUuid", "x", "", `"x" is none`},
		"no UUID either": {"RandomUuid7", "x", "", `"x" is none`},
		"pet":            {"RandomPet", "x", "", "cannot be imported"},
		"shuffle":        {"RandomShuffle", "x", "", "cannot be imported"},
	} {
		t.Run(name, func(t *testing.T) {
			resp, err := server(t).Read(p.ReadRequest{ID: test.given, Urn: urn(test.kind)})
			switch {
			case test.fails == "" && (err != nil || resp.ID != test.id):
				t.Errorf("got %q, %v", resp.ID, err)
			case test.fails != "" && (err == nil || !strings.Contains(err.Error(), test.fails)):
				t.Errorf("got %q, %v", resp.ID, err)
			}
		})
	}
}

func TestAnImportedPasswordIsSecret(t *testing.T) {
	resp, err := server(t).Read(p.ReadRequest{ID: "pässword", Urn: urn("RandomPassword")})
	if err != nil {
		t.Fatal(err)
	}
	if resp.ID != "none" || !resp.Properties.Get("length").Equals(property.New(9.0)) {
		t.Errorf("got %q, %v", resp.ID, resp.Properties)
	}
	for _, name := range []string{"result", "bcryptHash"} {
		if !resp.Properties.Get(name).Secret() {
			t.Errorf("%s is not secret", name)
		}
	}
}

func TestARefreshChangesNothing(t *testing.T) {
	state := given(t, `{"result": "x", "__meta": "the official plugin's"}`)
	resp, err := server(t).Read(p.ReadRequest{ID: "x", Urn: urn("RandomString"), Properties: state, Inputs: state})
	if err != nil || resp.ID != "x" || !resp.Properties.Equals(state) || !resp.Inputs.Equals(state) {
		t.Errorf("got %+v, %v", resp, err)
	}
}
