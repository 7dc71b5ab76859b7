package local

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gobwas/glob"
	"github.com/pulumi/pulumi-go-provider/infer/types"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// pattern takes files in or, when its text began with "!", out.
type pattern struct {
	glob.Glob
	excludes bool
}

// archiveOf is one archive of the files that the patterns take in.
func archiveOf(directory string, patterns []string) (*resource.Archive, error) {
	assets, err := assetsIn(directory, patterns)
	if err != nil {
		return nil, err
	}
	members := map[string]any{}
	for name, member := range assets {
		members[name] = member.Asset
	}
	archive, err := resource.NewAssetArchive(members)
	if err != nil {
		return nil, fmt.Errorf("making an archive: %w", err)
	}
	return archive, nil
}

// assetsIn are the files below a directory that the patterns take in, by path relative to it.
func assetsIn(directory string, texts []string) (map[string]*types.AssetOrArchive, error) {
	patterns := make([]pattern, len(texts))
	for at, text := range texts {
		included, excludes := strings.CutPrefix(text, "!")
		compiled, err := glob.Compile(included, '/')
		if err != nil {
			return nil, fmt.Errorf("pattern %q: %w", text, err)
		}
		patterns[at] = pattern{compiled, excludes}
	}
	assets := map[string]*types.AssetOrArchive{}
	err := fs.WalkDir(os.DirFS(directory), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !taken(name, patterns) {
			return err
		}
		asset, err := resource.NewPathAsset(filepath.Join(directory, filepath.FromSlash(name)))
		assets[name] = &types.AssetOrArchive{Asset: asset}
		return err
	})
	return assets, err
}

// taken says whether the last pattern that matches a file takes it in.
func taken(name string, patterns []pattern) bool {
	in := false
	for _, pattern := range patterns {
		if pattern.Match(name) {
			in = !pattern.excludes
		}
	}
	return in
}
