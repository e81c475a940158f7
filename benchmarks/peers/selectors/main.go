// Command selectors matches devices with selectors one pair at a time, to be measured against.
//
// It reads the workload file named by its argument, then one order per line of standard input,
// "map|scan before|after COUNT", evaluates the first COUNT resources on all devices, and answers
// with one line of JSON: CPU time, matches, and a digest of the matched devices.
package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/bits"
	"os"
	"runtime"
	"syscall"
	"time"
)

type workload struct {
	Before    [][]string      `json:"before"`
	After     [][]string      `json:"after"`
	Resources [][]Requirement `json:"resources"`
}

type answer struct {
	CPU     float64 `json:"cpu"`  // seconds, user and system, garbage collection included
	Wall    float64 `json:"wall"` // seconds
	Matches int     `json:"matches"`
	Digest  string  `json:"digest"`
}

func main() {
	load, err := read(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	orders := bufio.NewScanner(os.Stdin)
	answers := json.NewEncoder(os.Stdout)
	for orders.Scan() {
		var peer, state string
		var count int
		if _, err := fmt.Sscanf(orders.Text(), "%s %s %d", &peer, &state, &count); err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
			os.Exit(1)
		}
		devices := load.Before
		if state == "after" {
			devices = load.After
		}
		match := scanMatches
		if peer == "map" {
			match = mapMatches
		}
		if err := answers.Encode(measure(devices, load.Resources[:count], match)); err != nil {
			os.Exit(1)
		}
	}
}

func read(path string) (workload, error) {
	var load workload
	body, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(body, &load)
	}
	return load, err
}

func measure(devices [][]string, resources [][]Requirement, match matcher) answer {
	words := len(devices)/64 + 1
	matched := make([]uint64, words*len(resources))
	runtime.GC()
	start, cpu := time.Now(), cpuTime()
	for r, selector := range resources {
		row := matched[r*words : (r+1)*words]
		for d, tags := range devices {
			if match(tags, selector) {
				row[d/64] |= 1 << (d % 64)
			}
		}
	}
	took := answer{CPU: cpuTime() - cpu, Wall: time.Since(start).Seconds()}
	took.Matches, took.Digest = digest(matched, words)
	return took
}

// digest covers, resource by resource, the number of matches and the matched devices in order,
// each as 32 bits, little-endian.
func digest(matched []uint64, words int) (int, string) {
	hash := sha256.New()
	total := 0
	var body []byte
	for ; len(matched) > 0; matched = matched[words:] {
		count := 0
		body = append(body[:0], 0, 0, 0, 0)
		for w, word := range matched[:words] {
			for ; word != 0; word &= word - 1 {
				device := w*64 + bits.TrailingZeros64(word)
				body = binary.LittleEndian.AppendUint32(body, uint32(device))
				count++
			}
		}
		binary.LittleEndian.PutUint32(body, uint32(count))
		hash.Write(body)
		total += count
	}
	return total, hex.EncodeToString(hash.Sum(nil))
}

func cpuTime() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	micros := (usage.Utime.Sec+usage.Stime.Sec)*1e6 + int64(usage.Utime.Usec+usage.Stime.Usec)
	return float64(micros) / 1e6
}
