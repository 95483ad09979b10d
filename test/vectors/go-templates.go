//go:build ignore

// Makes go-templates.json: what Go's own text/template says to chosen and to random templates.
//
//	go run test/vectors/go-templates.go > test/vectors/go-templates.json
//
// The first row holds the data. Every other row holds a template, its family, and result, error (while it was filled
// in) or parseError. Families: "chosen" (by hand), "subset" (random; all of it is what Mayfly promises to understand),
// "loose" (random; other parts of Go's language, or types that do not match), "broken" (a random template with a
// character changed).
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"strings"
	"text/template"
)

var data = map[string]string{
	"a": "A", "b": "<B & \"'>", "empty": "", "under_score1": "U", "url": "https://github.com", "é": "E",
	"ref": "main", "ref_type": "branch", "yes": "true", "no": "false", "one": "1", "_x": "x", "日本": "J",
	"dotted.key/with-signs": "D", "": "nameless", "{{": "braces", "percent": "%d%s",
}

var chosen = []string{
	`{{.a}}`, `{{ .a }}`, "{{\t.a\n}}", `x{{.a}}y`, `{{.a}}{{.b}}`, `{{.url}}/{{.a}}`, `  {{- .a -}}  `,
	"x \n {{- .a -}} \t y", `x {{-  .a  -}} y`, `{{.a -}}   {{- .b}}`, `{{.é}}`, `{{.under_score1}}`, `}}`,
	`a }} b {{.a}}`, `{ {.a} }`, `{{.empty}}`, `{{.missing}}`, "x\ny {{.missing}}", `{{.a}} {{ .missing }}`,
	`  {{- .missing -}} `, `日本{{.missing}}`, "x\n\n  {{  .missing }}", `{{}}`, `{{ }}`, `{{.a`, `{{.a}`, `{{`,
	`{{.a.b}}`, `{{.}}`, `{{ . }}`, `{{.1}}`, `{{.1a}}`, `{{.a-b}}`, `{{.a -b}}`, `{{-.a}}`, `{{.a-}}`, `{{- }}`,
	`{{a}}`, `{{"a"}}`, `{{index . "a"}}`, `{{if .a}}x{{end}}`, `{{/* c */}}x`, `{{.a | print}}`, `{{.a .b}}`,
	`{{$x}}`, `{{.a}}}}`, `{{{.a}}}`, `{{ .a }}{{`, "{{.a\x00}}", `{{.a/b}}`, `{{ .a\ }}`, `{{- .a}}`, `{{.a -}}`,
	`{{- .a -}}`, " {{-\n.a\n-}} ", `{{- - .a}}`, `{{--}}`, ` {{- .a}}`, "\v{{- .a}}",
	// The public-good templates.
	`{{ .url }}/{{ .a }}/actions/runs/{{ .b }}/attempts/{{ .one }}`,
	`refs/{{if eq .ref_type "branch"}}heads/{{ else }}tags/{{end}}{{ .ref }}`,
	`{{.url}}/pipeline/{{(index . "dotted.key/with-signs")}}/config`,
	`{{if eq (index . "dotted.key/with-signs") "true"}}ssh-rerun{{ else }}""{{end}}`, `{{index . "nowhere"}}`,
	// if, else if, else.
	`{{if .empty}}x{{end}}`, `{{if .empty}}x{{else}}y{{end}}`, `{{if .missing}}x{{end}}`, `{{if .a}}{{.missing}}{{end}}`,
	`{{if .empty}}{{.missing}}{{else}}ok{{end}}`, `{{if .empty}}1{{else if .a}}2{{else}}3{{end}}`,
	`{{if .empty}}1{{else if .no}}2{{end}}`, `{{if .empty}}1{{else if .empty}}2{{else if eq .a "A"}}3{{else}}4{{end}}`,
	`{{if .a}}{{if .empty}}x{{else}}y{{end}}z{{end}}`, `{{if .a}}{{else}}x{{end}}`, `{{if .a -}}  x  {{- end}}`,
	`{{if .a}}x{{else}}y{{else}}z{{end}}`, `{{if .a}}x{{else}}y{{else if .b}}z{{end}}`, `{{if .a}}x`, `{{end}}`, `{{else}}`,
	`{{if}}x{{end}}`, `{{if .a}}x{{end .a}}`, `{{if .a}}x{{else .a}}{{end}}`, `{{if .a}}{{end}}{{end}}`, `{{else if .a}}`,
	`{{if .a}}x{{else with .b}}y{{end}}`, `{{if .a}}x{{elseif .b}}y{{end}}`, `{{if .a}}x{{else  if  .b}}y{{end}}`,
	`{{ifx}}`, `{{if(.a)}}x{{end}}`, `{{if (.a)}}x{{end}}`, `{{if .a}}x{{end}}{{if .b}}y{{end}}`, `{{if "x"}}y{{end}}`,
	`{{if true}}y{{end}}`, `{{if false}}y{{else}}n{{end}}`, `{{if 0}}y{{else}}n{{end}}`, `{{if 1}}y{{end}}`, `{{if ""}}y{{end}}`,
	`{{if .no}}a text is true{{end}}`, `{{if not .empty}}y{{end}}`, `{{if eq .yes true}}x{{end}}`, `{{if .a | not}}x{{else}}y{{end}}`,
	// eq, ne.
	`{{eq .a "A"}}`, `{{eq .a "B"}}`, `{{eq .a "B" "C" "A"}}`, `{{eq .a .b .missing}}`, `{{eq .a "A" .missing}}`, `{{ne .a "A"}}`,
	`{{ne .a "B"}}`, `{{ne .a "B" "C"}}`, `{{ne .a}}`, `{{eq .a}}`, `{{eq}}`, `{{eq .one 1}}`, `{{eq 1 1}}`, `{{eq 1 .one}}`,
	`{{eq .yes true}}`, `{{eq true true}}`, `{{eq true false}}`, `{{eq (eq .a "A") true}}`, `{{eq .a "A" 1}}`, `{{eq .a 1 "A"}}`,
	`{{eq "a" "b" true}}`, `{{ne 1 2}}`, `{{eq (or .empty false) "x"}}`, `{{eq (or .a false) "A"}}`, "{{eq\n.a\n\"A\"\n}}",
	`x {{eq  (or .empty  false)   "x%d" }}`, "x\ny日 {{ne (and .a true | not) `x`}}", `{{eq (index . "nowhere") ""}}`,
	`{{ .a | eq "A" }}`, `{{ .a | eq }}`, `{{ "A" | eq .a .b }}`, `{{ .missing | eq .gone }}`, `{{ .missing | or .a }}`,
	`{{ (or .empty false) | eq "x" }}`, `{{ eq .a (or .empty 3) }}`, `{{eq .percent "%d%s"}}`, `{{eq (or .empty 1) "%v"}}`,
	// and, or, not.
	`{{and .a .b}}`, `{{and .a .empty .missing}}`, `{{and .a .missing}}`, `{{or .a .missing}}`, `{{or .empty .missing}}`,
	`{{or .empty .b}}`, `{{or .empty ""}}`, `{{and true 1 "x"}}`, `{{or false 0 ""}}`, `{{or false 0}}`, `{{and .a}}`, `{{or .a}}`,
	`{{and}}`, `{{or}}`, `{{not .a}}`, `{{not .empty}}`, `{{not}}`, `{{not .a .b}}`, `{{not 0}}`, `{{not 1}}`, `{{not true}}`,
	`{{.a | and .b}}`, `{{.a | and}}`, `{{.empty | or .a}}`, `{{.a | not | not}}`, `{{.a | or .empty}}`, `{{ .a | and .empty }}`,
	`{{not not .a}}`, `{{not (not .a)}}`, `{{and eq .a "A"}}`, `{{and (eq .a "A") (ne .b "")}}`, `{{or (and .empty .a) (not .empty)}}`,
	`{{and .a not}}`, `{{or .a eq}}`, `{{or .empty eq}}`,
	// index.
	`{{index . "dotted.key/with-signs"}}`, `{{index . ""}}`, "{{index . `a`}}", `{{"a" | index .}}`, `{{"nowhere" | index .}}`,
	`{{index .}}`, `{{index . 1}}`, `{{index . "a" "b"}}`, `{{index . .one}}`, `{{index .a 0}}`, `{{index}}`, `{{index "a" .}}`,
	`{{index . ("a")}}`, `{{index (.) "a"}}`, `{{. | index}}`, `{{index . "a" | eq "A"}}`, `{{index . true}}`, `{{index . "{{"}}`,
	`{{"a" | index . "b"}}`, `{{index . "\x61"}}`, `{{index . "a}}"}}`,
	// Parentheses and pipes.
	`{{(.a)}}`, `{{((.a))}}`, `{{(.a}}`, `{{.a)}}`, `{{()}}`, `{{(.a).b}}`, `{{(.a)(.b)}}`, `{{(.a) .b}}`, `{{eq(.a)"A"}}`, `{{eq (.a)"A"}}`,
	`{{(eq .a "A")}}`, `{{ ( eq .a ( index . "a" ) ) }}`, `{{ (.a | eq "A") | not }}`, `{{ .a | (eq "A") }}`, `{{ .a | .b }}`, `{{ .a | "x" }}`,
	`{{ .a | }}`, `{{ | .a }}`, `{{ .a || .b }}`, `{{ .a | true }}`, `{{ .a|not }}`, `{{ .a| not|not }}`, `{{"x" "y"}}`, `{{"x""y"}}`, `{{.a"x"}}`,
	`{{not .a}}{{not .empty}}`, `{{(not .a) | or .empty}}`, `{{eq (.a) ("A")}}`, `{{if (and (eq .a "A") (or .empty .b))}}x{{end}}`,
	// Literals.
	"{{`raw \"quotes\"`}}", "{{`raw\r\nline`}}", "{{`a}}b`}}", "{{`", "{{`a}}", `{{"}}"}}`, `{{"{{"}}`, `{{"a}}`, `{{"\n\t\\\"\a\b\f\r\v"}}`,
	`{{"\x41\101\u00e9\U0001F600"}}`, `{{"\'"}}`, `{{"\q"}}`, `{{"\x4"}}`, `{{"\xff"}}`, `{{"\377"}}`, `{{"\ud800"}}`, `{{"\U00110000"}}`, "{{\"a\nb\"}}",
	`{{"\u00"}}`, `{{"\0"}}`, `{{"日本"}}`, `{{""}}`, "{{``}}", `{{'a'}}`, `{{1}}`, `{{-1}}`, `{{+1}}`, `{{0}}`, `{{-0}}`, `{{00}}`, `{{007}}`, `{{08}}`, `{{1_000}}`,
	`{{0x10}}`, `{{0b11}}`, `{{0o17}}`, `{{1.5}}`, `{{1e3}}`, `{{1.}}`, `{{.5}}`, `{{1i}}`, `{{1+2i}}`, `{{9007199254740991}}`, `{{9007199254740993}}`,
	`{{9223372036854775808}}`, `{{1a}}`, `{{1 -}} x`, `{{- 1 -}}`, `{{true}}`, `{{false}}`, `{{nil}}`, `{{if nil}}x{{end}}`, `{{eq .a nil}}`, `{{True}}`,
	`{{١}}`, `{{.١}}`, `{{.a١}}`,
	// Comments and trim markers.
	`{{/**/}}`, `{{/* c */}}`, `a {{- /* c */ -}} b`, `a {{/* c */ -}} b`, `a {{- /* c */}} b`, "{{/* a\n b */}}x{{.missing}}", `{{ /* c */ }}`, `{{/* c */ }}`,
	`{{/* c }}`, `{{/* c */`, `{{/* c */ .a}}`, `{{/* }} */}}x`, `{{/* {{.a}} */}}x`, `{{if .a}}{{/* c */}}{{end}}`, `{{/* */ */}}`, "a{{-\t/* c */\t-}}b",
	`a {{- .a}} b`, `a {{.a -}} b`, "a\n\n{{- .a -}}\n\nb", `a{{- .a -}}b`, `{{- if .a -}} x {{- else -}} y {{- end -}} z`, `{{ -}}`, `{{- -}}`, `{{-}}`, `{{ .a-}}`,
	`{{.a - }}`, `{{.a  -}}  x`, `{{ "x" -}}  y`, "{{.a\n-}}\n x", " \u00a0{{- .a -}}\u00a0 ", " \f{{- .a}}",
	// The rest of Go's language.
	`{{$x := .a}}{{$x}}`, `{{$}}`, `{{$.a}}`, `{{range .a}}x{{end}}`, `{{with .a}}{{.}}{{end}}`, `{{define "x"}}y{{end}}`, `{{template "x"}}`,
	`{{block "x" .}}y{{end}}`, `{{break}}`, `{{continue}}`, `{{printf "%s" .a}}`, `{{print .a}}`, `{{println .a}}`, `{{len .a}}`, `{{slice .a 0 1}}`, `{{html .b}}`,
	`{{js .b}}`, `{{urlquery .b}}`, `{{call .a}}`, `{{lt .a .b}}`, `{{ge 2 1}}`, `{{.a = 1}}`, `{{a := 1}}`, `{{.a, .b}}`, `{{.a ; .b}}`, `{{.a # b}}`, `{{.a + .b}}`,
	`{{.a == .b}}`, `{{.a && .b}}`, `{{!.a}}`, `{{ .A }}`, `{{.a.b.c}}`, `{{"a".b}}`, `{{true.b}}`, `{{eq.a}}`, `{{..a}}`, `{{.a.}}`, `{{.a..b}}`, `{{.a ..b}}`,
	`{{.a` + "\u00a0" + `}}`, `{{.a😀}}`, `{{😀}}`, `{{.日本}}`, `{{._x}}`, `{{_x}}`, `{{.percent}}%s`, `%d{{.missing}}`, `😀{{.missing}}`, "😀\n😀 {{ .missing}}",
	`{{ end }}`, `{{if .a}}{{range .b}}{{end}}{{end}}`, `{{if .a}}{{define "x"}}{{end}}{{end}}`,
}

type writer struct {
	*rand.Rand
	loose bool
}

func (w writer) pick(options ...string) string { return options[w.Intn(len(options))] }

func (w writer) text() string {
	return w.pick("", "", "x", " ", "\n", " / ", "refs/heads/", "日本 ", "}}", "{ ", "%s", "\t\n", "-", "é", "\"", "😀")
}

func (w writer) claim() string {
	return w.pick(".a", ".b", ".empty", ".ref", ".ref_type", ".yes", ".no", ".one", ".é", "._x", ".under_score1", ".a", ".b", ".empty", ".missing", ".gone2")
}

func (w writer) literal() string {
	return w.pick(`"A"`, `"main"`, `"branch"`, `""`, "`A`", `"1"`, `"true"`, `"\u0041"`, `"}}"`, "` `", `"%v"`, `"日"`)
}

func (w writer) index() string {
	return w.pick(`index . "a"`, `index . "nowhere"`, "index . `dotted.key/with-signs`", `index . "empty"`, `"b" | index .`)
}

func (w writer) blank() string { return w.pick(" ", " ", " ", " ", "  ", "\n", "\t ") }

func (w writer) join(words ...string) string {
	out := words[0]
	for _, word := range words[1:] {
		out += w.blank() + word
	}
	return out
}

// An argument that is a text in Go; now and then only perhaps.
func (w writer) textual(depth int) string {
	if w.loose && w.Intn(6) == 0 {
		return w.pick("1", "true", "nil", "'a'", "1.5", "$", ".", "(len .a)", "(.a).b", ".a.b", "not", "print", "0x1f", "-7")
	}
	switch w.Intn(8) {
	case 0, 1, 2:
		return w.claim()
	case 3, 4:
		return w.literal()
	case 5:
		return "(" + w.index() + ")"
	}
	if depth <= 0 {
		return w.claim()
	}
	name := w.pick("and", "or")
	if w.Intn(8) == 0 {
		return "(" + w.join(name, w.textual(depth-1), w.truth(depth-1)) + ")"
	}
	return "(" + w.join(name, w.textual(depth-1), w.textual(depth-1)) + ")"
}

func (w writer) truth(depth int) string {
	if depth <= 0 {
		return w.pick("true", "false", w.claim(), "1", "0")
	}
	return "(" + w.pipeline(depth-1) + ")"
}

func (w writer) several(depth int, make func(int) string) []string {
	words := []string{make(depth)}
	for w.Intn(3) == 0 {
		words = append(words, make(depth))
	}
	return words
}

func (w writer) pipeline(depth int) string {
	if w.loose && w.Intn(8) == 0 {
		return w.pick(`printf "%s" .a`, "len .a", "print .a .b", "$x := .a", "lt .a .b", ".a .b", "eq .a", "not", "not .a .b", "ne .a .b .a", "eq .a 1", "eq 1 true", ".a | .b", "html .b", "index .a 0", ".a.b")
	}
	switch w.Intn(10) {
	case 0, 1:
		return w.claim()
	case 2:
		return w.index()
	case 3:
		return w.join(append([]string{"eq", w.textual(depth)}, w.several(depth, w.textual)...)...)
	case 4:
		return w.join("ne", w.textual(depth), w.textual(depth))
	case 5:
		return w.join(append([]string{w.pick("and", "or")}, w.several(depth, w.truth)...)...)
	case 6:
		return w.join("not", w.truth(depth))
	case 7:
		return w.textual(depth) + w.pick("|", " | ") + w.join("eq", w.textual(depth))
	case 8:
		return w.textual(depth) + w.pick("|", " | ") + w.pick("not", "and .a", "or .empty", "not | not", "ne .a | not", "or")
	}
	return w.pick("true", "false", "7", "-3", w.literal(), "("+w.claim()+")")
}

func (w writer) action(content string) string {
	return w.pick("{{", "{{", "{{ ", "{{- ", "{{-\n") + content + w.pick("}}", "}}", " }}", " -}}", "\t-}}")
}

func (w writer) list(depth int) string {
	out := w.text()
	for count := w.Intn(3); count >= 0; count-- {
		switch kind := w.Intn(8); {
		case kind < 4 || depth <= 0:
			out += w.action(w.pipeline(depth))
		case kind == 4:
			out += w.pick("{{/* c */}}", "{{- /* } \n */ -}}", "{{/* x */ -}}")
		case kind == 5 && w.loose:
			out += w.action("range .a") + w.list(depth-1) + w.action("end")
		default:
			out += w.action("if "+w.pipeline(depth)) + w.list(depth-1)
			for w.Intn(3) == 0 {
				out += w.action("else if "+w.pipeline(depth)) + w.list(depth-1)
			}
			if w.Intn(2) == 0 {
				out += w.action("else") + w.list(depth-1)
			}
			out += w.action("end")
		}
		out += w.text()
	}
	return out
}

func (w writer) broken() string {
	text := []rune(w.list(2))
	at := w.Intn(len(text) + 1)
	switch rest := text[at:]; w.Intn(3) {
	case 0:
		return string(text[:at])
	case 1:
		return string(text[:at]) + w.pick("{", "}", "{{", "}}", ".", "-", "\"", "`", "(", ")", "|", " ", "\n", "end", "é", "1", "$", "\\", "\x00") + string(rest)
	default:
		if len(rest) > 0 {
			rest = rest[1:]
		}
		return string(text[:at]) + string(rest)
	}
}

func row(family, text string) map[string]any {
	row := map[string]any{"family": family, "template": text}
	parsed, err := template.New("").Option("missingkey=error").Parse(text)
	if err != nil {
		row["parseError"] = err.Error()
		return row
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, data); err != nil {
		row["error"] = err.Error()
	} else {
		row["result"] = out.String()
	}
	return row
}

func main() {
	rows := []map[string]any{{"data": data}}
	seen := map[string]bool{}
	add := func(family, text string) {
		if !seen[text] && strings.Contains(text, "{{") && len(text) < 400 {
			seen[text] = true
			rows = append(rows, row(family, text))
		}
	}
	for _, text := range chosen {
		add("chosen", text)
	}
	random := rand.New(rand.NewSource(4))
	for len(rows) < 1300 {
		add("subset", writer{random, false}.list(2))
	}
	for len(rows) < 1600 {
		add("loose", writer{random, true}.list(2))
	}
	for len(rows) < 2000 {
		add("broken", writer{random, random.Intn(4) == 0}.broken())
	}
	fmt.Print("[\n")
	for i, row := range rows {
		line, err := json.Marshal(row)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		separator := ","
		if i == len(rows)-1 {
			separator = ""
		}
		fmt.Printf("%s%s\n", line, separator)
	}
	fmt.Print("]\n")
}
