// Package token turns text into the token ids a model was trained on, and back, from the keys of the model's own GGUF
// file: byte-level BPE (tokenizer.ggml.model "gpt2") and SentencePiece BPE ("llama").
//
// Text is cut by hand-written scanners, not by backtracking regular expressions, and merged with a heap, so that the time is
// close to linear in the length of the text whatever the text is. Ids equal those of Hugging Face's tokenizers and of
// llama.cpp; where those two differ, the comment at the place says whom we follow.
package token
