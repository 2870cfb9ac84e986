package ninep

import (
	"context"
	"errors"
	"strings"
)

// Symlink makes a symbolic link in the directory f.
func (f *File) Symlink(ctx context.Context, name, target string) error {
	if f.older() {
		return f.fail("symlink "+name, f.makeOlder(ctx, name, dmSymlink, target))
	}
	_, err := f.c.rpc(ctx, &tSymlink{f.id, name, target, 0})
	return f.fail("symlink "+name, err)
}

// Readlink returns where the symbolic link f points to.
func (f *File) Readlink(ctx context.Context) (string, error) {
	if f.older() {
		target, err := f.readlinkOlder(ctx)
		return target, f.fail("readlink", err)
	}
	m, err := f.c.rpc(ctx, &tReadlink{f.id})
	if err != nil {
		return "", f.fail("readlink", err)
	}
	return m.(*rReadlink).target, nil
}

// Link makes a second name of target in the directory f.
func (f *File) Link(ctx context.Context, target *File, name string) error {
	if f.older() {
		return f.fail("link "+name, f.linkOlder(ctx, target, name))
	}
	_, err := f.c.rpc(ctx, &tLink{f.id, target.id, name})
	return f.fail("link "+name, err)
}

// Mknod makes a device, socket or pipe in the directory f; mode has the type bits.
func (f *File) Mknod(ctx context.Context, name string, mode, major, minor uint32) error {
	_, err := f.c.rpc(ctx, &tMknod{f.id, name, mode, major, minor, 0})
	return f.fail("mknod "+name, err)
}

// Lock asks for a record lock on the open file f, or gives one up. The server may
// answer LockBlocked even to a request with LockBlock: then ask again.
func (f *File) Lock(ctx context.Context, r LockRequest) (LockStatus, error) {
	m, err := f.c.rpc(ctx, &tLock{f.id, r})
	if err != nil {
		return LockError, f.fail("lock", err)
	}
	return m.(*rLock).status, nil
}

// GetLock finds a lock that is in the way of r; the result's Type is Unlock if
// there is none.
func (f *File) GetLock(ctx context.Context, r LockRequest) (LockRequest, error) {
	m, err := f.c.rpc(ctx, &tGetlock{f.id, r})
	if err != nil {
		return LockRequest{}, f.fail("getlock", err)
	}
	return m.(*rGetlock).LockRequest, nil
}

// Xattr returns an extended attribute, at most 64 KiB of it.
func (f *File) Xattr(ctx context.Context, name string) ([]byte, error) {
	x := f.c.newFile(f.path)
	m, err := f.c.rpc(ctx, &tXattrwalk{f.id, x.id, name})
	if err != nil {
		if errors.As(err, new(Errno)) {
			f.c.forget(x)
		}
		return nil, f.fail("getxattr", err)
	}
	defer x.Close()
	return readOn(ctx, x, nil, int(min(m.(*rXattrwalk).size, maxXattr)))
}

// Xattrs lists the names of the extended attributes.
func (f *File) Xattrs(ctx context.Context) ([]string, error) {
	list, err := f.Xattr(ctx, "")
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(list), "\x00"), "\x00"), nil
}

// SetXattr sets an extended attribute.
func (f *File) SetXattr(ctx context.Context, name string, value []byte, flags uint32) error {
	x, err := f.Walk(ctx)
	if err != nil {
		return err
	}
	if _, err = f.c.rpc(ctx, &tXattrcreate{x.id, name, uint64(len(value)), flags}); err != nil {
		x.Close()
		return f.fail("setxattr", err)
	}
	if len(value) > 0 {
		if _, err = x.WriteAt(ctx, value, 0); err != nil {
			x.Close() // an incomplete value has no effect
			return f.fail("setxattr", err)
		}
	}
	return f.fail("setxattr", x.close(ctx))
}

// RemoveXattr removes an extended attribute.
func (f *File) RemoveXattr(ctx context.Context, name string) error {
	return f.SetXattr(ctx, name, nil, XattrReplace)
}
