package local

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestPatternsAreTriedInOrder(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"assets/logos/logo.svg", "src/index.js", "src/secret.js", "src/deep/x.js", "top.txt"} {
		file := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct{ patterns, wanted []string }{
		"the documented example": {
			[]string{"assets/**", "src/**.js", "!**secret.*"},
			[]string{"assets/logos/logo.svg", "src/deep/x.js", "src/index.js"}},
		"one level":           {[]string{"src/*.js"}, []string{"src/index.js", "src/secret.js"}},
		"in again after out":  {[]string{"**", "!src/**", "src/index.js", "!assets/**"}, []string{"src/index.js", "top.txt"}},
		"out before anything": {[]string{"!top.txt", "*.txt"}, []string{"top.txt"}},
		"no directories":      {[]string{"src", "assets/logos"}, nil},
		"nothing":             {nil, nil},
	} {
		assets, err := assetsIn(folder, test.patterns)
		if found := slices.Sorted(maps.Keys(assets)); err != nil || !slices.Equal(found, test.wanted) {
			t.Errorf("%s: got %q, %v", name, found, err)
		}
	}
	if _, err := assetsIn(folder, []string{"[a"}); err == nil {
		t.Error("a broken pattern is no mistake")
	}
	if _, err := assetsIn(filepath.Join(folder, "nothing here"), []string{"*"}); err == nil {
		t.Error("a missing directory is no mistake")
	}
}
