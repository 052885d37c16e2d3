package schema_test

import (
	"fmt"
	"time"

	"github.com/dprun/dprun/sdk/schema"
)

// A struct's tags are the schema of a block.
func ExampleOf() {
	type login struct {
		User     string `dprun:"user,required"`
		Password string `dprun:"password,sensitive"`
	}
	type config struct {
		Host  string        `dprun:"host,required" doc:"Name or address of the server."`
		Port  int           `dprun:"port" format:"port" default:"22"`
		Wait  time.Duration `dprun:"wait" default:"30s" min:"1s" max:"10m"`
		Limit int64         `dprun:"limit" format:"size" deprecated:"use quota"`
		Mode  string        `dprun:"mode" oneof:"fast|safe" default:"safe"`
		Login login         `dprun:"login,block,required"`
	}
	b, err := schema.Of[config]()
	if err != nil {
		panic(err)
	}
	for _, a := range b.Attributes {
		fmt.Println(a.Name, a.TypeName(), a.Required, a.Default, a.OneOf)
	}
	fmt.Println(b.Blocks[0].Name, b.Blocks[0].Often())
	// Output:
	// host string true  []
	// port port false 22 []
	// wait duration false 30s []
	// limit size false  []
	// mode string false safe [fast safe]
	// login exactly once
}
