//go:build linux

package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// report is a scenario's table: a row per server and a column per figure, in order of their first appearance.
type report struct {
	rows, columns []string
	figures       map[[2]string][]float64
	notes         []string
}

func (r *report) add(row, column string, figure float64) {
	if r.figures == nil {
		r.figures = make(map[[2]string][]float64)
	}
	if !slices.Contains(r.rows, row) {
		r.rows = append(r.rows, row)
	}
	if !slices.Contains(r.columns, column) {
		r.columns = append(r.columns, column)
	}
	r.figures[[2]string{row, column}] = append(r.figures[[2]string{row, column}], figure)
}

func (r *report) note(line string) {
	if !slices.Contains(r.notes, line) {
		r.notes = append(r.notes, line)
	}
}

// median returns the median of a figure over the rounds; NaN if there is none.
func (r *report) median(row, column string) float64 {
	all := slices.Sorted(slices.Values(r.figures[[2]string{row, column}]))
	if len(all) == 0 {
		return math.NaN()
	}
	return all[len(all)/2]
}

// print writes the medians as a Markdown table, with the range if there are several values.
func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "| | %s |\n|---|%s\n", strings.Join(r.columns, " | "), strings.Repeat("---|", len(r.columns)))
	for _, row := range r.rows {
		fmt.Fprintf(w, "| %s |", row)
		for _, column := range r.columns {
			all := r.figures[[2]string{row, column}]
			switch {
			case len(all) == 0:
				fmt.Fprint(w, " |")
			case len(all) == 1:
				fmt.Fprintf(w, " %s |", short(all[0]))
			default:
				fmt.Fprintf(w, " %s (%s-%s) |", short(r.median(row, column)), short(slices.Min(all)),
					short(slices.Max(all)))
			}
		}
		fmt.Fprintln(w)
	}
	for _, n := range r.notes {
		fmt.Fprintf(w, "\n%s", n)
	}
	fmt.Fprintln(w)
}

func short(x float64) string {
	switch {
	case math.Abs(x) >= 100:
		return fmt.Sprintf("%.0f", x)
	case math.Abs(x) >= 10:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}
