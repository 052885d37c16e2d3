package store_test

import (
	"context"
	"fmt"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/schema"
	"github.com/dprun/dprun/sdk/store"
)

// A type of destination is made of a few operations on whole files.
func ExampleAtomic() {
	type config struct {
		Directory string `dprun:"directory,required" format:"path"`
	}
	offered := store.Atomic(schema.DestinationType{Name: "vault", Doc: "A vault."},
		func(_ context.Context, c config, _ sdk.Env) (store.Files, error) {
			return newMemory(), nil // [store.Files] for c.Directory
		}, nil)
	p := sdk.Plugin{Name: "vault", Version: "1.0.0", Destinations: []sdk.DestinationType{offered}}
	argument := p.Schema().Destinations[0].Config.Attributes[0]
	fmt.Println(argument.Name, argument.TypeName(), argument.Required)
	// Output: directory path true
}
