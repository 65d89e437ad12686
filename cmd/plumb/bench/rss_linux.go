package bench

import (
	"bytes"
	"fmt"
	"os"
)

// peakRSS returns the most bytes that this process had in memory, 0 if that is not known. (What getrusage says begins with
// what the process that started this one had.)
func peakRSS() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, after, _ := bytes.Cut(status, []byte("\nVmHWM:"))
	var kib int64
	if _, err := fmt.Fscanf(bytes.NewReader(after), "%d kB", &kib); err != nil {
		return 0
	}
	return kib << 10
}
