// Package listen calls a function for what comes out of a channel.
package listen

// To calls heard for each value of a channel, as long as it wants more and until deaf
// is called. deaf returns when the last call has ended.
func To[T any](from <-chan T, heard func(T) (more bool)) (deaf func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for more := true; more; {
			select {
			case v := <-from:
				more = heard(v)
			case <-done:
				return
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}
