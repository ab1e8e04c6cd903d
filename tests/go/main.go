// Checkverify verifies a log with golang.org/x/mod, which shares no code with Mandat.
//
//	checkverify VKEY < cases      one JSON case a line; prints "ok" or "refused" for each
//	checkverify -tiles VKEY DIR   verifies the log in DIR from its tiles and entries
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type verification struct {
	Checkpoint string   `json:"checkpoint"`
	Index      int64    `json:"index"`
	Entry      []byte   `json:"entry"`
	Proof      [][]byte `json:"proof"`
	// A consistency proof is checked where the older checkpoint is given.
	Older       string   `json:"older"`
	Consistency [][]byte `json:"consistency"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 3 && args[0] == "-tiles" {
		verifier, err := note.NewVerifier(args[1])
		if err != nil {
			return err
		}
		return verifyTiles(verifier, args[2])
	}
	if len(args) != 1 {
		return errors.New("usage: checkverify [-tiles] VKEY [DIR]")
	}
	verifier, err := note.NewVerifier(args[0])
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<22)
	for lines.Scan() {
		var v verification
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			return err
		}
		if err := v.check(verifier); err != nil {
			fmt.Println("refused")
		} else {
			fmt.Println("ok")
		}
	}
	return lines.Err()
}

func (v verification) check(verifier note.Verifier) error {
	tree, err := openCheckpoint([]byte(v.Checkpoint), verifier)
	if err != nil {
		return err
	}
	if v.Older != "" {
		older, err := openCheckpoint([]byte(v.Older), verifier)
		if err != nil {
			return err
		}
		return tlog.CheckTree(tlog.TreeProof(hashes(v.Consistency)), tree.N, tree.Hash, older.N, older.Hash)
	}
	proof := tlog.RecordProof(hashes(v.Proof))
	if v.Index < 0 || v.Index >= tree.N {
		return errors.New("no such entry")
	}
	return tlog.CheckRecord(proof, tree.N, tree.Hash, v.Index, tlog.RecordHash(v.Entry))
}

func hashes(raw [][]byte) []tlog.Hash {
	out := make([]tlog.Hash, len(raw))
	for i, h := range raw {
		if len(h) == tlog.HashSize {
			copy(out[i][:], h)
		}
	}
	return out
}

// openCheckpoint reads origin, size and root. (tlog.ParseTree reads the header of go.sum, which is another one.)
func openCheckpoint(msg []byte, verifier note.Verifier) (tlog.Tree, error) {
	opened, err := note.Open(msg, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		return tlog.Tree{}, errors.New("not a checkpoint of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return tlog.Tree{}, errors.New("malformed size")
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return tlog.Tree{}, errors.New("malformed root")
	}
	tree := tlog.Tree{N: size}
	copy(tree.Hash[:], root)
	return tree, nil
}

// tiles reads hash tiles where C2SP tlog-tiles puts them.
type tiles struct{ dir string }

func (tiles) Height() int                     { return 8 }
func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (t tiles) ReadTiles(list []tlog.Tile) ([][]byte, error) {
	out := make([][]byte, len(list))
	for i, tile := range list {
		path := "tile/" + strings.TrimPrefix(tile.Path(), "tile/8/")
		data, err := os.ReadFile(filepath.Join(t.dir, path))
		if err != nil {
			return nil, err
		}
		out[i] = data
	}
	return out, nil
}

// verifyTiles proves every entry against the checkpoint, from the tiles alone.
func verifyTiles(verifier note.Verifier, dir string) error {
	msg, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		return err
	}
	tree, err := openCheckpoint(msg, verifier)
	if err != nil {
		return err
	}
	// The reader authenticates each tile against the root before it gives a hash out.
	reader := tlog.TileHashReader(tree, tiles{dir})
	for first := int64(0); first < tree.N; first += 256 {
		width := int(smaller(tree.N-first, 256))
		data := tlog.Tile{H: 8, L: -1, N: first / 256, W: width}
		path := "tile/entries/" + strings.TrimPrefix(data.Path(), "tile/8/data/")
		bundle, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil {
			return err
		}
		indexes := make([]int64, width)
		for i := range indexes {
			indexes[i] = tlog.StoredHashIndex(0, first+int64(i))
		}
		want, err := reader.ReadHashes(indexes)
		if err != nil {
			return err
		}
		for i := range want {
			if len(bundle) < 2 {
				return errors.New("the bundle ends too early")
			}
			size := int(bundle[0])<<8 | int(bundle[1])
			if len(bundle) < 2+size {
				return errors.New("the bundle ends too early")
			}
			if tlog.RecordHash(bundle[2:2+size]) != want[i] {
				return fmt.Errorf("entry %d isn't the one in the tree", first+int64(i))
			}
			bundle = bundle[2+size:]
		}
		if len(bundle) != 0 {
			return errors.New("the bundle goes on after its last entry")
		}
	}
	fmt.Println("ok", tree.N)
	return nil
}

// smaller is the built-in min, which the Go of Debian 12 (1.19) doesn't have.
func smaller(a, b int64) int64 {
	if a < b {
		return a
	}
	return b
}
