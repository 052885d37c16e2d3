package runner

import "github.com/dprun/dprun/runner/lock"

// lockSet takes the lock of a set without waiting, with the mode of
// [lock.SetKey]. It returns a *lock.HeldError when it cannot be had.
func (r *Runner) lockSet(set string, mode lock.Mode) (release func(), err error) {
	key := lock.SetKey(set)
	held, err := r.locks.TryAcquire(key, mode, lock.Info{})
	if err != nil {
		return nil, err
	}
	return func() {
		_ = held.Release()
		_ = r.locks.Remove(key) // nobody else has it, or they remove it
	}, nil
}
