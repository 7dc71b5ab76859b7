// Command volume-plugin is the smallest Docker plugin that can be enabled: it answers the handshake, it has no volumes.
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
)

func main() {
	listener, err := net.Listen("unix", "/run/docker/plugins/test.sock")
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/Plugin.Activate", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"Implements": ["VolumeDriver"]}`)
	})
	log.Fatal(http.Serve(listener, nil))
}
