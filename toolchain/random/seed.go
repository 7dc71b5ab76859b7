package random

import (
	"hash/crc64"
	"math/rand"
)

// source is a source of pseudo-random numbers: the official plugin's when there is a seed, so that a seed gives
// the same values with either; one of its own otherwise.
func source(seed *string) *rand.Rand {
	if valueOr(seed, "") == "" {
		return rand.New(rand.NewSource(rand.Int63()))
	}
	checksum := crc64.Checksum([]byte(*seed), crc64.MakeTable(crc64.ISO))
	return rand.New(rand.NewSource(int64(checksum)))
}
