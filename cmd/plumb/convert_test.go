package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"plumb/offline/advise"
	"plumb/offline/registry"
)

// fill sets every field of a value, each to something else.
func fill(t *testing.T, v reflect.Value, n *int) {
	t.Helper()
	*n++
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Unix(int64(1e9+*n), 0).UTC()))
		return
	case v.Type() == reflect.TypeFor[json.RawMessage]():
		v.Set(reflect.ValueOf(json.RawMessage(fmt.Sprintf(`{"n":%d}`, *n))))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprint("text ", *n))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(float64(*n) + .5)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), n)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fill(t, v.Index(i), n)
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(t, key, n)
		fill(t, value, n)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	default:
		t.Fatalf("a field of type %v: teach the test to set it", v.Type())
	}
}

// survives compares field by field, by name. What is left out on purpose is named.
func survives(t *testing.T, from, into any, leftOut ...string) {
	t.Helper()
	a, b := reflect.ValueOf(from), reflect.ValueOf(into)
	names := map[string]bool{}
	for _, name := range leftOut {
		names[name] = true
	}
	for i := range a.NumField() {
		name := a.Type().Field(i).Name
		got := b.FieldByName(name)
		switch {
		case names[name] && got.IsValid():
			t.Errorf("%s: is not left out", name)
		case names[name]:
		case !got.IsValid():
			t.Errorf("%s: the server does not know it", name)
		default:
			want, _ := json.Marshal(a.Field(i).Interface())
			have, _ := json.Marshal(got.Interface())
			if string(want) != string(have) {
				t.Errorf("%s: got %s, want %s", name, have, want)
			}
		}
	}
	for i := range b.NumField() {
		if name := b.Type().Field(i).Name; b.Field(i).IsZero() {
			t.Errorf("%s: nothing sets it", name)
		}
	}
}

func TestRunOfKeepsEveryField(t *testing.T) {
	var run registry.Run
	n := 0
	fill(t, reflect.ValueOf(&run).Elem(), &n)
	// Who voted is not told over HTTP.
	survives(t, run, runOf(run), "Users")
	runOf(registry.Run{}) // must not panic
}

func TestAliasOfKeepsEveryField(t *testing.T) {
	var a registry.Alias
	n := 0
	fill(t, reflect.ValueOf(&a).Elem(), &n)
	survives(t, a, aliasOf(a))
	if got := aliasOf(registry.Alias{Name: "plumb"}); got.Live != nil || got.Canary != nil || got.Name != "plumb" {
		t.Errorf("an empty alias became %+v", got)
	}
}

func TestAdviceOfKeepsEveryField(t *testing.T) {
	var a advise.Advice
	n := 0
	fill(t, reflect.ValueOf(&a).Elem(), &n)
	survives(t, a, adviceOf(a))
	if got := adviceOf(advise.Evidence{}.Advise()); got.Method != "" || string(got.Next) == "" || got.Notes == nil || got.Dropped == nil {
		t.Errorf("advice on nothing became %+v", got)
	}
}
