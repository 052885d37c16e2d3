// Package need ends a test if something fails that the test only needs and does not
// test.
package need

import "testing"

// Done ends the test unless there is no error.
func Done(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Value gives what a call returned, and ends the test where that was an error:
// need.Value(os.ReadFile(name))(t).
func Value[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		Done(t, err)
		return v
	}
}
