// Secondverify gives a second opinion with github.com/transparency-dev/{formats,merkle}, which share no code with Mandat
// nor with golang.org/x/mod's tlog.
//
//	secondverify < cases      one JSON case a line; prints "ok" or "refused" for each
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/transparency-dev/formats/log"
	fnote "github.com/transparency-dev/formats/note"
	tproof "github.com/transparency-dev/formats/proof"
	"github.com/transparency-dev/formats/witness"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
)

type verification struct {
	// Log is the vkey of the log, Ed25519 or ML-DSA-44.
	Log        string   `json:"log"`
	Checkpoint string   `json:"checkpoint"`
	Index      int64    `json:"index"`
	Entry      []byte   `json:"entry"`
	Proof      [][]byte `json:"proof"`
	// A consistency proof is checked where the older checkpoint is given.
	Older       string   `json:"older"`
	Consistency [][]byte `json:"consistency"`
	// A .tlog-proof is checked where one is given.
	TlogProof string `json:"tlog_proof"`
	// The checkpoint must also satisfy this policy, where one is given.
	Policy string `json:"policy"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var v verification
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if err := v.check(); err != nil {
			fmt.Println("refused")
		} else {
			fmt.Println("ok")
		}
	}
}

func (v verification) check() error {
	key, err := logVerifier(v.Log)
	if err != nil {
		return err
	}
	index, hashes, signed := uint64(v.Index), v.Proof, []byte(v.Checkpoint)
	if v.TlogProof != "" {
		var p tproof.TLogProof
		if err := p.Unmarshal([]byte(v.TlogProof)); err != nil {
			return err
		}
		index, signed, hashes = p.Index, p.Checkpoint, nil
		for _, h := range p.Hashes {
			hashes = append(hashes, append([]byte(nil), h[:]...))
		}
	} else if v.Index < 0 {
		return errors.New("no such entry")
	}
	head, err := open(signed, key)
	if err != nil {
		return err
	}
	if v.Policy != "" {
		policy, err := witness.ParsePolicy([]byte(v.Policy))
		if err != nil {
			return err
		}
		if !policy.Satisfied(signed) {
			return errors.New("no quorum")
		}
	}
	if v.Older != "" {
		older, err := open([]byte(v.Older), key)
		if err != nil {
			return err
		}
		return proof.VerifyConsistency(rfc6962.DefaultHasher, older.Size, head.Size, v.Consistency, older.Hash, head.Hash)
	}
	leaf := rfc6962.DefaultHasher.HashLeaf(v.Entry)
	return proof.VerifyInclusion(rfc6962.DefaultHasher, index, head.Size, leaf, hashes, head.Hash)
}

func logVerifier(vkey string) (note.Verifier, error) {
	if v, err := note.NewVerifier(vkey); err == nil {
		return v, nil
	}
	return fnote.NewMLDSAVerifier(vkey)
}

func open(signed []byte, key note.Verifier) (*log.Checkpoint, error) {
	head, rest, opened, err := log.ParseCheckpoint(signed, key.Name(), key)
	if err != nil {
		return nil, err
	}
	if len(rest) != 0 {
		return nil, errors.New("extension lines")
	}
	// The library reads sizes such as 007.
	if strings.Split(opened.Text, "\n")[1] != fmt.Sprint(head.Size) {
		return nil, errors.New("malformed size")
	}
	return head, nil
}
