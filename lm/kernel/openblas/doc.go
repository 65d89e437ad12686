// Package openblas calls the matrix product of OpenBLAS. It has something in it only where the program is built with
// -tags openblas, which needs cgo, a C compiler and the library with its header (libopenblas-dev in Debian).
package openblas
