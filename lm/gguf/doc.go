// Package gguf reads and writes GGUF, the file format of llama.cpp and Ollama: key-value pairs that describe a model,
// then its tensors, whole or in quantised blocks.
//
// Versions 2 and 3, little endian, are read; version 3 is written. Pairs and tensors keep their order, so that a file
// which is read and written again without a change is the same file, byte for byte. A file is input from outside:
// every count, length and offset is checked against the bytes that are really there before anything is allocated or
// touched.
//
// The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. The blocks: ggml-common.h and ggml-quants.c
// of the same repository.
package gguf
