package worker

import "context"

// Announce lets tests make the one sweep that looks for what enterprises want to hear of.
func (w *Worker) Announce(ctx context.Context) error {
	_, err := w.announce(ctx)
	return err
}
