package template

import (
	"errors"
	"reflect"

	"github.com/nikolalohinski/gonja/v2/exec"
)

// sizer adds up the bytes a value takes when it is written out: what is shared counts each time.
type sizer struct{ left int }

var (
	errLarge  = errors.New("is too large")
	errNested = errors.New("is nested too deep")
)

func (s *sizer) add(value any, depth int) error {
	if depth > maxNesting {
		return errNested
	}
	switch v := value.(type) {
	case nil:
		return s.take(8)
	case string:
		return s.take(8 + len(v))
	case *exec.Value:
		if v == nil || !v.Val.IsValid() || !v.Val.CanInterface() {
			return s.take(8)
		}
		return s.add(v.Val.Interface(), depth)
	case *exec.Dict:
		for _, pair := range v.Pairs {
			if err := s.addBoth(pair.Key, pair.Value, depth+1); err != nil {
				return err
			}
		}
		return s.take(8)
	}
	return s.addReflected(reflect.ValueOf(value), depth)
}

func (s *sizer) addReflected(v reflect.Value, depth int) error {
	switch v.Kind() {
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if err := s.add(v.Index(i).Interface(), depth+1); err != nil {
				return err
			}
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			if err := s.addBoth(it.Key().Interface(), it.Value().Interface(), depth+1); err != nil {
				return err
			}
		}
	case reflect.String:
		return s.take(8 + v.Len())
	}
	return s.take(8)
}

func (s *sizer) addBoth(key, value any, depth int) error {
	if err := s.add(key, depth); err != nil {
		return err
	}
	return s.add(value, depth)
}

func (s *sizer) take(n int) error {
	if s.left -= n; s.left < 0 {
		return errLarge
	}
	return nil
}
