// Prints how the OpenTelemetry Collector reads YAML scalars, references, types and durations, one
// JSON object a line: the expected values of this crate's tests. See ../README.md.
package main

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/envprovider"
	"go.opentelemetry.io/collector/confmap/provider/yamlprovider"
	"go.yaml.in/yaml/v3"
)

type object = map[string]any

func emit(row object) {
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(row); err != nil {
		panic(err)
	}
}

// describe gives a value a form that JSON keeps: floats as text, dates as their type alone.
func describe(value any) any {
	switch v := value.(type) {
	case nil:
		return object{"null": true}
	case bool:
		return object{"bool": v}
	case int:
		return object{"int": strconv.Itoa(v)}
	case int64:
		return object{"int": strconv.FormatInt(v, 10)}
	case uint64:
		return object{"int": strconv.FormatUint(v, 10)}
	case float64:
		return object{"float": strconv.FormatFloat(v, 'g', -1, 64)}
	case string:
		return object{"string": v}
	case time.Time:
		return object{"time": true}
	case time.Duration:
		return object{"duration": v.String()}
	case []any:
		list := []any{}
		for _, item := range v {
			list = append(list, describe(item))
		}
		return object{"list": list}
	case map[string]any:
		entries := object{}
		for key, item := range v {
			entries[key] = describe(item)
		}
		return object{"map": entries}
	default:
		// confmap's own wrapper of an expanded value inside of another one.
		return describe(reflect.ValueOf(value).FieldByName("Value").Interface())
	}
}

func scalars() {
	bases := []string{
		"", "~", "null", "Null", "NULL", "nUll", "nil", "none", "true", "True", "TRUE", "tRue", "false", "False",
		"FALSE", "yes", "Yes", "YES", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF", "y", "Y", "n", "N",
		".nan", ".NaN", ".NAN", ".Nan", "nan", "NaN", ".inf", ".Inf", ".INF", ".iNf", "+.inf", "-.inf", "+.INF",
		"-.Inf", "inf", "+inf", "-inf", "infinity", "0", "-0", "+0", "00", "1", "-1", "+1", "++1", "--1", "+-1", "-",
		"+", "007", "0o7", "0O7", "0o8", "-0o7", "+0o7", "08", "09", "-08", "0777", "-0777", "0x1F", "0X1f", "0xG",
		"-0x1F", "+0x1F", "0x", "0x-1", "0b101", "0B101", "0b102", "-0b1", "+0b1", "0b", "0o", "1_000", "1__0", "_1",
		"1_", "0x_1", "0_7", "1,000", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
		"-9223372036854775809", "18446744073709551615", "18446744073709551616", "+9223372036854775808",
		"0xFFFFFFFFFFFFFFFF", "0x10000000000000000", "-0x8000000000000000", "1.", "1.0", ".5", "-.5", "+.5", "+1.5",
		"1e3", "1E3", "1e+3", "1e-3", "1.5e3", ".5e3", "1e", "e1", "1e3.5", "1e400", "-1e400", "1e-400", "1_0.5", ".",
		"..", "...", "1.2.3", "0.1", "00.1", "01.5", "1:30", "12:30:45", "190:20:30", "2001-01-01", "2001-1-1",
		"2001-12-14T21:59:43.10Z", "2001-12-14 21:59:43.10", "2001-12-14t21:59:43.10-05:00", "2001-13-01", "<<", "=",
		"10s", "1m30s", "0.0.0.0:8125", ":8888", "localhost:4317", "a b", "a#b", "a:b", "http://h/p", "-a", "- ",
		"'1'", "\"1\"", "'true'", "\"\"", "''", "\"a\\tb\"", "'it''s'", "[1, a]", "{a: 1}", "[]", "{}",
		"!!str 1", "!!str", "!!int '1'", "!!int 1", "!!int a", "!!int 1.5", "!!float 1", "!!float '1.5'", "!!float a",
		"!!bool true", "!!bool 'true'", "!!bool yes", "!!null ''", "!!null ~", "!!null x", "!!binary aGk=",
		"!!binary '?'", "!local 1", "! 1", "!<tag:yaml.org,2002:int> 5", "!!timestamp 2001-01-01", "!!seq [1]",
	}
	for _, text := range bases {
		row := object{"in": text}
		var document map[string]any
		if err := yaml.Unmarshal([]byte("v: "+text), &document); err != nil {
			row["error"] = err.Error()
		} else {
			row["out"] = describe(document["v"])
		}
		emit(row)
	}
}

var environment = map[string]string{
	"HOST": "pbx1", "PORT": "8125", "OCTAL": "0123", "HEX": "0x1F", "FLOAT": "1.50", "EXP": "1e3", "YES": "yes",
	"TRUE": "true", "NULL": "null", "EMPTY": "", "SPACE": " ", "LIST": "[a, 1, true]", "BLOCK": "- a\n- b",
	"MAP": "{port: 8125, host: pbx1}", "QUOTED": "\"10\"", "SINGLE": "'10'", "COMMENT": "text # comment",
	"COMMENTED": "5 # comment", "COLON": "a: b", "INVALID": "[::]:4317", "TAB": "\tx", "NAME": "HOST",
	"NESTED": "${env:HOST}", "NESTED_TYPED": "${env:PORT}", "NESTED_LIST": "[\"${env:HOST}\", \"${env:PORT}\"]",
	"NESTED_MAP": "{a: \"${env:PORT}\"}", "DOLLARS": "a$$b", "DOLLAR": "a$b", "ESCAPED": "$${HOST}", "AT": "@x",
	"PERCENT": "%x", "STAR": "*x", "TWICE": "a$$$$b", "LINES": "a\nb", "DATE": "2001-01-01", "BIG": "18446744073709551615",
	"HASH": "#x", "BRACE": "}", "NEWLINE": "x\n",
}

func expansion() {
	for name, value := range environment {
		os.Setenv(name, value)
	}
	texts := []string{
		"a$b", "a$$b", "$$", "$", "'$$$'", "$$$$", "$${HOST}", "$$${HOST}", "$$$${HOST}", "$HOST", "${", "}", "'${}'",
		"${HOST", "HOST}", "a${HOST}b", "${HOST}${PORT}", "${PORT}${PORT}", "${env:HOST}:${env:PORT}", "${env:${NAME}}",
		"${${NAME}}", "x${env:${NAME}}y", "${env:NONE:-5}", "${env:NONE:-}", "'${env:NONE:-}'", "x${env:NONE:-}y",
		"${env:NONE:-a:-b}", "${env:NONE:-[1, 2]}", "${env:EMPTY:-x}", "${env:HOST:-x}", "${env:NONE:-${HOST}}",
		"${NONE}", "x${NONE}y", "${HOST:-x}", "${1X}", "${env:1X}", "${env:A B}", "${env:}", "${a:b}", "${nosuch:x}",
		"${env:$HOST}", "${env:$$HOST}", "${yaml:5}", "${yaml:[1, 2]}", "'${yaml:a: b}'", "x${yaml:5}", "x${LIST}",
		"x${MAP}", "x${NULL}y", "\"${PORT}\"", "'${PORT}'", "${env:HOST}}", "${{HOST}}", "[${HOST}, x]",
		"[\"${HOST}\", \"${PORT}\"]", "{a: \"${PORT}\"}", "{\"${HOST}\": 1}", "!!str ${PORT}", " ${PORT} ",
		"${HOST} ${HOST}", "${env:HOST }", "${ HOST}", "x$${env:HOST}y${PORT}", "${ENV:HOST}",
	}
	for name := range environment {
		texts = append(texts, "${"+name+"}", "'<${env:"+name+"}>'")
	}
	slices.Sort(texts)
	for _, text := range texts {
		row := object{"in": text}
		resolver, err := confmap.NewResolver(confmap.ResolverSettings{
			URIs:              []string{"yaml:v: " + text},
			ProviderFactories: []confmap.ProviderFactory{envprovider.NewFactory(), yamlprovider.NewFactory()},
			DefaultScheme:     "env",
		})
		if err != nil {
			panic(err)
		}
		conf, err := resolver.Resolve(context.Background())
		if err != nil {
			row["error"] = err.Error()
			emit(row)
			continue
		}
		row["out"] = describe(conf.ToStringMap()["v"])
		var target struct {
			V string `mapstructure:"v"`
		}
		if conf.Unmarshal(&target) == nil {
			row["text"] = target.V
		}
		emit(row)
	}
	environmentRow := object{}
	for name, value := range environment {
		environmentRow[name] = value
	}
	emit(object{"environment": environmentRow})
}

type section struct {
	X int    `mapstructure:"x"`
	Y string `mapstructure:"y"`
}

type target struct {
	I  int               `mapstructure:"i"`
	U  uint16            `mapstructure:"u"`
	F  float64           `mapstructure:"f"`
	S  string            `mapstructure:"s"`
	B  bool              `mapstructure:"b"`
	D  time.Duration     `mapstructure:"d"`
	L  []string          `mapstructure:"l"`
	LI []int             `mapstructure:"li"`
	LS []section         `mapstructure:"ls"`
	M  map[string]string `mapstructure:"m"`
	T  section           `mapstructure:"t"`
}

func types() {
	values := []string{
		"", "~", "5", "-5", "'5'", "70000", "1.5", "1.9", "-1.5", "1e3", "'1.5'", "true", "'true'", "yes", "x", "a,b",
		"'a, b'", "''", "10s", "1m30s", "-1s", "1d", "[]", "[a]", "[1]", "[~]", "[a, b]", "[[a]]", "[{x: 1}]", "{}",
		"{x: 1}", "{x: a}", "{y: 1}", "{z: 1, w: 2}", "{X: 1}", "{x: }", "2001-01-01", "9223372036854775808",
	}
	for _, field := range []string{"i", "u", "f", "s", "b", "d", "l", "li", "ls", "m", "t"} {
		for _, value := range values {
			var document map[string]any
			if err := yaml.Unmarshal([]byte(field+": "+value), &document); err != nil {
				panic(err)
			}
			config := target{I: 7, U: 7, F: 7, S: "seven", B: true, D: 7 * time.Second, L: []string{"seven"},
				LI: []int{7}, LS: []section{{7, "seven"}}, M: map[string]string{}, T: section{7, "seven"}}
			row := object{"field": field, "in": value}
			if err := confmap.NewFromStringMap(document).Unmarshal(&config); err != nil {
				row["error"] = strings.TrimPrefix(err.Error(), "decoding failed due to the following error(s):\n\n")
			} else {
				row["out"] = map[string]any{"i": config.I, "u": config.U, "f": config.F, "s": config.S, "b": config.B,
					"d": config.D.String(), "l": config.L, "li": config.LI, "ls": config.LS, "m": config.M, "t": config.T}[field]
			}
			emit(row)
		}
	}
}

func durations() {
	texts := []string{
		"0", "-0", "+0", "0s", "5s", "30s", "1478s", "-5s", "+5s", "5.0s", "5.6s", "5.s", ".5s", "1.004s", "1.0040s",
		"100.00100s", "10ns", "11us", "12µs", "12μs", "13ms", "14s", "15m", "16h", "3h30m", "10.5s4m", "-2m3.4s",
		"1h2m3s4ms5us6ns", "39h9m14.425s", "52763797000ns", "0.3333333333333333333h", "9007199254740993ns",
		"9223372036854775807ns", "9223372036854775.807us", "9223372036s854ms775us807ns", "-9223372036854775808ns",
		"0.100000000000000000000h", "0.830103483285477580700h", "1.5h", "0.1ns", "1.9ns", "1e3s", "", "3", "-", "s",
		".", "-.", ".s", "+.s", "1d", "1w", "1 s", " 1s", "1s ", "9223372036854775808ns", "9223372036854775.808us",
		"9223372036854ms775us808ns", "-9223372036854775809ns", "3000000h", "99999999999999999999s", "1S", "1H", "1sec",
		"1m 30s", "1:30", "1s1", "1..5s", "1.5.5s", "--1s", "0x1s", "١s", "1ms1us1ns1s",
	}
	for _, text := range texts {
		row := object{"in": text}
		if duration, err := time.ParseDuration(text); err != nil {
			row["error"] = err.Error()
		} else {
			row["nanos"] = strconv.FormatInt(int64(duration), 10)
			row["printed"] = duration.String()
		}
		emit(row)
	}
	for _, nanos := range []int64{1, 999, 1000, 1100, 999999, 1000000, 2200000, 999999999, 1000000000, 3300000000,
		245000000000, 245001000000, 18367001000000, 480000000001, 3600000000000, 86400000000000, math.MaxInt64} {
		emit(object{"nanos": strconv.FormatInt(nanos, 10), "printed": time.Duration(nanos).String()})
	}
}

func main() {
	map[string]func(){"scalars": scalars, "expansion": expansion, "types": types, "durations": durations}[os.Args[1]]()
}
