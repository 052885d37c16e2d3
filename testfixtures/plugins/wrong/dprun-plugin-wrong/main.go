// The program dprun-plugin-wrong serves the plugin wrong in a process of its own.
// The file "start" in its home directory says what goes wrong before it does.
package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/testfixtures/plugins/wrong"
)

func main() {
	how, err := os.ReadFile(filepath.Join(os.Getenv("HOME"), "start"))
	if err == nil {
		start(string(how))
	}
	sdk.Serve(wrong.Plugin())
}

func start(how string) {
	switch how {
	case "talk":
		fmt.Println("welcome to the plugin wrong")
		return
	case "hang":
	case "crash":
		fmt.Fprintln(os.Stderr, "the library libtape.so is missing")
		os.Exit(3)
	case "garbage":
		fmt.Println(strings.Repeat("\x00\xff|", 1000))
		os.Exit(0)
	case "another protocol": // answers what is no gRPC to whoever connects
		path := filepath.Join(os.Getenv("PLUGIN_UNIX_SOCKET_DIR"), "wrong.sock")
		l, err := net.Listen("unix", path)
		if err != nil {
			panic(err)
		}
		fmt.Printf("1|1|unix|%s|grpc|\n", path)
		for {
			c, err := l.Accept()
			if err != nil {
				panic(err)
			}
			_, _ = c.Write([]byte(strings.Repeat("220 tape server ready\r\n", 1000)))
		}
	case "another version":
		fmt.Println("1|2|unix|/nonexistent|grpc|")
	}
	time.Sleep(time.Hour)
}
