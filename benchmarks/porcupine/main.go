// Judges the histories of a JSON file with Porcupine and prints one JSON line a history:
// its name, the verdict and the fastest of some runs in nanoseconds, by the clock and of processors (all threads
// together). Only CheckOperationsTimeout is timed, without the bookkeeping for visualisations, on operations that
// are already in memory.
package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"syscall"
	"time"

	"github.com/anishathalye/porcupine"
)

// operation is one call as linearizability.py writes it. Without Return it is indeterminate.
type operation struct {
	Process int    `json:"process"`
	Verb    string `json:"verb"`
	Key     string `json:"key"`
	Value   int    `json:"value"`
	From    int    `json:"from"`
	Text    string `json:"text"`
	Read    int    `json:"read"`
	Got     string `json:"got"`
	Swapped bool   `json:"swapped"`
	Invoked int64  `json:"invoked"`
	Return  *int64 `json:"returned"`
}

type history struct {
	Name       string      `json:"name"`
	Model      string      `json:"model"`
	Operations []operation `json:"operations"`
}

type suite struct {
	TimeoutMs int64     `json:"timeout_ms"`
	Repeat    int       `json:"repeat"`
	RepeatMs  int64     `json:"repeat_ms"`
	Histories []history `json:"histories"`
}

type answer struct {
	Name    string `json:"name"`
	Verdict string `json:"verdict"`
	Ns      int64  `json:"ns"`
	CPUNs   int64  `json:"cpu_ns"`
}

type verb int

const (
	read verb = iota
	write
	cas
	get
	put
	appendText
)

var verbs = map[string]verb{
	"read": read, "write": write, "cas": cas, "get": get, "put": put, "append": appendText,
}

type input struct {
	verb  verb
	key   string
	value int
	from  int
	text  string
}

// output of an indeterminate operation has known == false: any answer would have been possible.
type output struct {
	known   bool
	value   int
	text    string
	swapped bool
}

// An operation that may never take effect is one that returns after all others: there it changes nothing
// that anybody sees. A compare-and-set without an answer sets if it finds what it expects.
func toPorcupine(ops []operation) []porcupine.Operation {
	result := make([]porcupine.Operation, len(ops))
	for i, op := range ops {
		returned := int64(math.MaxInt64)
		if op.Return != nil {
			returned = *op.Return
		}
		result[i] = porcupine.Operation{
			ClientId: op.Process,
			Input:    input{verbs[op.Verb], op.Key, op.Value, op.From, op.Text},
			Call:     op.Invoked,
			Output:   output{op.Return != nil, op.Read, op.Got, op.Swapped},
			Return:   returned,
		}
	}
	return result
}

var registerModel = porcupine.Model{
	Init: func() interface{} { return 0 },
	Step: func(state, in, out interface{}) (bool, interface{}) {
		value, call, reply := state.(int), in.(input), out.(output)
		switch call.verb {
		case read:
			return !reply.known || reply.value == value, value
		case write:
			return true, call.value
		default:
			if value == call.from {
				return !reply.known || reply.swapped, call.value
			}
			return !reply.known || !reply.swapped, value
		}
	},
}

var kvModel = porcupine.Model{
	Partition: func(ops []porcupine.Operation) [][]porcupine.Operation {
		byKey := make(map[string][]porcupine.Operation)
		keys := []string{}
		for _, op := range ops {
			key := op.Input.(input).key
			if _, seen := byKey[key]; !seen {
				keys = append(keys, key)
			}
			byKey[key] = append(byKey[key], op)
		}
		groups := make([][]porcupine.Operation, 0, len(keys))
		for _, key := range keys {
			groups = append(groups, byKey[key])
		}
		return groups
	},
	Init: func() interface{} { return "" },
	Step: func(state, in, out interface{}) (bool, interface{}) {
		text, call, reply := state.(string), in.(input), out.(output)
		switch call.verb {
		case get:
			return !reply.known || reply.text == text, text
		case put:
			return true, call.text
		default:
			return true, text + call.text
		}
	},
}

var models = map[string]porcupine.Model{
	"register": registerModel, "cas-register": registerModel, "key-value": kvModel,
}

var verdicts = map[porcupine.CheckResult]string{
	porcupine.Ok: "holds", porcupine.Illegal: "violated", porcupine.Unknown: "unknown",
}

// cpu is what this process has used of processors so far.
func cpu() int64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	return used.Utime.Nano() + used.Stime.Nano()
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: porcupine-bench HISTORIES.json")
		os.Exit(2)
	}
	data, err := os.ReadFile(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	var work suite
	if err := json.Unmarshal(data, &work); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	timeout := time.Duration(work.TimeoutMs) * time.Millisecond
	encoder := json.NewEncoder(os.Stdout)
	for _, h := range work.Histories {
		ops := toPorcupine(h.Operations)
		best, bestCPU := int64(math.MaxInt64), int64(math.MaxInt64)
		verdict := porcupine.Unknown
		began := time.Now()
		for run := 0; run < work.Repeat; run++ {
			start, busy := time.Now(), cpu()
			verdict = porcupine.CheckOperationsTimeout(models[h.Model], ops, timeout)
			took := time.Since(start).Nanoseconds()
			best, bestCPU = min(best, took), min(bestCPU, cpu()-busy)
			if time.Since(began).Milliseconds() > work.RepeatMs {
				break
			}
		}
		if err := encoder.Encode(answer{h.Name, verdicts[verdict], best, bestCPU}); err != nil {
			os.Exit(2)
		}
	}
}
