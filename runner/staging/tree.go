package staging

import (
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// Making and removing directories is most of the cost of staging a small file.
// So a finished task leaves its directories, empty, to the next task of the run,
// which renames the tree. Only directories of sealed files are used again, so
// that a late writer of an attempt that was given up reaches nothing.

const (
	// maxSpare bounds the trees that are kept for the next tasks of a run.
	maxSpare = 32
	// notePrefix begins the names of files of [Staging.Write]; no variant's does so.
	notePrefix = ".note-"
)

// taskTree is the directory of one task, as far as this process has made it.
type taskTree struct {
	captures int             // directories that are neither sealed nor discarded
	sealed   []string        // paths of directories of captures
	empty    map[string]bool // those of the task before
	notes    []string        // names of files that nobody reads
	spoiled  bool            // there may be something else in it: it is not used again
}

// spareTree is the tree of a task that is done, in which no file is left.
type spareTree struct {
	rel  string
	tree *taskTree
}

// treeOf is the task's tree, made where it is missing. It is called with the lock held.
func (s *Staging) treeOf(rel string) (*taskTree, error) {
	if t := s.trees[rel]; t != nil {
		return t, nil
	}
	run := path.Dir(rel)
	if spare := s.spare[run]; len(spare) > 0 {
		at := slices.IndexFunc(spare, func(old spareTree) bool { return old.rel == rel }) // nobody else gets what it has left itself
		if at < 0 {
			at = len(spare) - 1
		}
		old := spare[at]
		s.spare[run] = slices.Delete(spare, at, at+1)
		if t := old.tree; s.root.Rename(old.rel, rel) == nil {
			t.empty = map[string]bool{}
			for _, dir := range t.sealed {
				t.empty[path.Join(rel, path.Base(dir))] = true
			}
			t.sealed = nil
			s.trees[rel] = t
			return t, nil
		}
	}
	t := &taskTree{}
	err := s.root.Mkdir(rel, 0o700)
	if errors.Is(err, fs.ErrNotExist) {
		delete(s.known, run)
		err = s.root.MkdirAll(rel, 0o700)
	}
	if errors.Is(err, fs.ErrExist) { // of a process before this one
		t.spoiled, err = true, nil
	}
	if err == nil {
		s.trees[rel] = t
	}
	return t, err
}

// over notes how a capture ended: whether its directory holds sealed files and nothing else.
func (d *Dir) over(sealed bool) {
	d.staging.making.Lock()
	defer d.staging.making.Unlock()
	t := d.staging.trees[d.task]
	switch {
	case t == nil:
	case sealed:
		t.captures--
		t.sealed = append(t.sealed, d.rel)
	default:
		t.spoiled = true
	}
}

// release empties the tree of a task that is done, and keeps it for the next
// one. If it returns false, the tree is to be removed.
func (s *Staging) release(rel string) bool {
	s.making.Lock()
	t := s.trees[rel]
	usable := t != nil && !t.spoiled && t.captures == 0 && len(s.spare[path.Dir(rel)]) < maxSpare
	delete(s.trees, rel)
	s.making.Unlock()
	if !usable {
		return false
	}
	empty := true
	for _, dir := range t.sealed { // without the lock: a large file takes its time
		empty = empty && s.empties(dir)
	}
	s.making.Lock()
	defer s.making.Unlock()
	if !empty {
		return false
	}
	if s.trees[rel] != nil {
		return true // it is the task's again
	}
	for dir := range t.empty {
		t.sealed = append(t.sealed, dir)
	}
	t.empty = nil
	s.spare[path.Dir(rel)] = append(s.spare[path.Dir(rel)], spareTree{rel, t})
	return true
}

// empties removes the files of a directory. It returns false if there was
// something else, or if a removal failed.
func (s *Staging) empties(dir string) bool {
	root, err := s.root.OpenRoot(dir)
	if err != nil {
		return false
	}
	defer root.Close()
	entries, err := readDir(root, ".")
	if err != nil {
		return false
	}
	for _, e := range entries {
		if e.IsDir() || root.Remove(e.Name()) != nil {
			return false
		}
	}
	return true
}

// EndRun removes the directories of a run that hold no captured file, and with
// the last of them that of the run. The run must not capture any more.
func (s *Staging) EndRun(run string) error {
	if run == "" || component(run) != run {
		return errors.New("the run has no name")
	}
	s.making.Lock()
	defer s.making.Unlock()
	s.forget(run)
	err := s.prune(run, 0)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault(err, "remove empty directories of run %s from staging", run)
	}
	return nil
}

// forget makes the next tree of a run count as one that this process has not
// made. The caller holds the lock.
func (s *Staging) forget(run string) {
	maps.DeleteFunc(s.trees, func(rel string, _ *taskTree) bool { return path.Dir(rel) == run })
	delete(s.spare, run)
	delete(s.known, run)
	delete(s.names, run)
}

// prune removes a directory and those in it, as far as they are empty.
func (s *Staging) prune(dir string, depth int) error {
	entries, err := readDir(s.root, dir)
	if err != nil {
		return err
	}
	left := 0
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case e.IsDir() && depth <= maxDepth:
			err = s.prune(name, depth+1)
			if _, there := s.root.Lstat(name); there == nil {
				left++
			}
		case strings.HasPrefix(e.Name(), notePrefix) && depth == 1:
			err = s.root.Remove(name)
		default:
			left++
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if left > 0 {
		return nil
	}
	return s.root.Remove(dir)
}
