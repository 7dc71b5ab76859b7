package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/pkg/sftp"
)

// upload writes files on a server.
type upload struct {
	server *client
	files  *sftp.Client
	stop   func() bool
}

// connect opens a connection to write files over; cancelling the context ends it.
func connect(ctx context.Context, to *Connection) (*upload, error) {
	server, err := to.dial(ctx)
	if err != nil {
		return nil, err
	}
	// Each file is written once from its beginning, for which parts may arrive in any order.
	files, err := sftp.NewClient(server.Client, sftp.UseConcurrentWrites(true))
	if err != nil {
		server.Close()
		return nil, fmt.Errorf("starting SFTP on %s: %w", valueOr(to.Host, ""), err)
	}
	return &upload{server: server, files: files, stop: context.AfterFunc(ctx, server.Close)}, nil
}

func (u *upload) close() {
	u.stop()
	_ = u.files.Close() // every file was closed, and that checked, before
	u.server.Close()
}

// put copies a file or a directory. A directory goes into the remote one under its own name; its content does
// when the local path ends with a slash, as with rsync. A file goes into a remote directory if there is one.
func (u *upload) put(local, remote string) error {
	info, err := os.Stat(local)
	if err != nil {
		return err
	}
	existing, err := u.stat(remote)
	if err != nil {
		return err
	}
	switch {
	case info.IsDir():
		if err := u.makeDirectory(remote); err != nil {
			return err
		}
		if !strings.HasSuffix(local, "/") {
			remote = path.Join(remote, filepath.Base(local))
		}
		return u.putDirectory(local, remote)
	case existing != nil && existing.IsDir():
		return u.putFile(local, path.Join(remote, filepath.Base(local)))
	}
	if err := u.makeDirectory(path.Dir(remote)); err != nil {
		return err
	}
	return u.putFile(local, remote)
}

// putText writes a text to a file.
func (u *upload) putText(text, remote string) error {
	existing, err := u.stat(remote)
	if err != nil {
		return err
	}
	if existing != nil && existing.IsDir() {
		return fmt.Errorf("remotePath %s is a directory on the server; a text has no name of its own, "+
			"so the path must be that of a file", remote)
	}
	if err := u.makeDirectory(path.Dir(remote)); err != nil {
		return err
	}
	return u.write(strings.NewReader(text), remote)
}

func (u *upload) putDirectory(local, remote string) error {
	if err := u.makeDirectory(remote); err != nil {
		return err
	}
	entries, err := os.ReadDir(local)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		from, to := filepath.Join(local, entry.Name()), path.Join(remote, entry.Name())
		info, err := os.Stat(from) // follows a link, unlike the entry
		if err != nil {
			return err
		}
		put := u.putFile
		if info.IsDir() {
			put = u.putDirectory
		}
		if err := put(from, to); err != nil {
			return err
		}
	}
	return nil
}

func (u *upload) putFile(local, remote string) error {
	source, err := os.Open(local)
	if err != nil {
		return err
	}
	defer source.Close() // it was only read from
	return u.write(source, remote)
}

func (u *upload) write(content io.Reader, remote string) error {
	file, err := u.files.Create(remote)
	if err != nil {
		return fmt.Errorf("creating %s on the server: %w", remote, err)
	}
	_, err = file.ReadFrom(content)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("writing %s on the server: %w", remote, err)
	}
	return nil
}

func (u *upload) makeDirectory(remote string) error {
	existing, err := u.stat(remote)
	switch {
	case err != nil:
		return err
	case existing != nil && !existing.IsDir():
		return fmt.Errorf("%s exists on the server, but is not a directory", remote)
	case existing != nil:
		return nil
	}
	if err := u.files.MkdirAll(remote); err != nil {
		return fmt.Errorf("making the directory %s on the server: %w", remote, err)
	}
	return nil
}

// stat is nil, without an error, for a path that does not exist.
func (u *upload) stat(remote string) (fs.FileInfo, error) {
	info, err := u.files.Stat(remote)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for %s on the server: %w", remote, err)
	}
	return info, nil
}
