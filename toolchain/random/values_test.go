package random

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"
)

func TestATextHasTheCharactersThatWereAskedFor(t *testing.T) {
	own := "äöü"
	for name, test := range map[string]struct {
		asked   Characters
		allowed string
		classes map[string]int
	}{
		"all classes": {
			Characters{Length: 40, Upper: true, Lower: true, Numeric: true, Special: true, MinUpper: 3, MinNumeric: 4},
			uppercase + lowercase + digits + specials, map[string]int{uppercase: 3, digits: 4}},
		"minimums that fill it": {
			Characters{Length: 6, Lower: true, MinLower: 2, MinUpper: 2, MinNumeric: 2},
			uppercase + lowercase + digits, map[string]int{uppercase: 2, lowercase: 2, digits: 2}},
		"own special characters": {
			Characters{Length: 12, Special: true, OverrideSpecial: &own}, own, map[string]int{own: 12}},
		"one character": {Characters{Length: 1, Numeric: true}, digits, nil},
	} {
		t.Run(name, func(t *testing.T) {
			for range 200 {
				text, err := test.asked.text()
				if err != nil || utf8.RuneCountInString(text) != test.asked.Length {
					t.Fatalf("got %q, %v", text, err)
				}
				if count(text, test.allowed) != test.asked.Length {
					t.Fatalf("%q has characters that were not asked for", text)
				}
				for class, least := range test.classes {
					if found := count(text, class); found < least {
						t.Fatalf("%q has %d of %q, not %d", text, found, class, least)
					}
				}
			}
		})
	}
}

func TestAMinimumIsNotAlwaysAtTheSamePlace(t *testing.T) {
	places := map[int]bool{}
	for range 500 {
		text, err := Characters{Length: 4, Lower: true, MinNumeric: 1}.text()
		if err != nil {
			t.Fatal(err)
		}
		places[strings.IndexAny(text, digits)] = true
	}
	if len(places) != 4 {
		t.Errorf("a digit was only at %v", places)
	}
}

func TestNoCharactersToChooseFrom(t *testing.T) {
	if text, err := (Characters{Length: 1}).text(); err == nil {
		t.Errorf("got %q", text)
	}
}

func TestTheHashCoversTheFirst72Bytes(t *testing.T) {
	long := strings.Repeat("x", 100)
	hash, err := bcryptHash(long)
	if err != nil {
		t.Fatal(err)
	}
	if err := bcrypt.CompareHashAndPassword([]byte(hash), []byte(long[:72])); err != nil {
		t.Error(err)
	}
}

// The values are those that terraform-provider-random documents in its own tests.
func TestASeedGivesTheOfficialValues(t *testing.T) {
	five := ShuffleArgs{Inputs: []string{"a", "b", "c", "d", "e"}, Seed: ptr("-")}
	for wanted, count := range map[string]*int{"acbed": nil, "acb": ptr(3), "acbedaedcbab": ptr(12), "": ptr(0)} {
		five.ResultCount = count
		if dealt := five.shuffled(); strings.Join(dealt, "") != wanted {
			t.Errorf("got %v, not %s", dealt, wanted)
		}
	}
	if number := source(ptr("12345")).Intn(3) + 1; number != 3 {
		t.Errorf("got %d, not 3", number)
	}
}

func TestNoneIsDealtMoreThanOnceMoreOftenThanAnother(t *testing.T) {
	dealt := ShuffleArgs{Inputs: []string{"a", "b", "c"}, ResultCount: ptr(8)}.shuffled()
	slices.Sort(dealt)
	if text := strings.Join(dealt, ""); text != "aaabbbcc" && text != "aaabbccc" && text != "aabbbccc" {
		t.Errorf("got %s", text)
	}
	if dealt := (ShuffleArgs{ResultCount: ptr(3)}).shuffled(); len(dealt) != 0 {
		t.Errorf("got %v from nothing", dealt)
	}
}

func count(text, class string) int {
	found := 0
	for _, character := range text {
		if strings.ContainsRune(class, character) {
			found++
		}
	}
	return found
}

func ptr[T any](value T) *T { return &value }
