package kernel

// microGo is the portable micro-kernel: panels of up to 4 rows and 4 columns.
func microGo(rows, k int, alpha float32, a, b, c []float32, ldc int, add bool) {
	if !add {
		for r := range rows {
			clear(c[r*ldc:][:4])
		}
	}
	r := 0
	for ; r+2 <= rows; r += 2 {
		twoRows(rows, k, alpha, a[r:], b, c[r*ldc:], c[(r+1)*ldc:])
	}
	if r < rows {
		oneRow(rows, k, alpha, a[r:], b, c[r*ldc:])
	}
}

// twoRows keeps eight sums, as many as fit the registers of most machines. step is the distance between values of one
// row in a.
func twoRows(step, k int, alpha float32, a, b, c0, c1 []float32) {
	var s00, s01, s02, s03, s10, s11, s12, s13 float32
	for i, b := 0, b[:4*k]; len(b) >= 4; i, b = i+step, b[4:] {
		pair := a[i : i+2 : i+2]
		a0, a1 := pair[0], pair[1]
		b0, b1, b2, b3 := b[0], b[1], b[2], b[3]
		s00 += a0 * b0
		s01 += a0 * b1
		s02 += a0 * b2
		s03 += a0 * b3
		s10 += a1 * b0
		s11 += a1 * b1
		s12 += a1 * b2
		s13 += a1 * b3
	}
	add4(c0, alpha, s00, s01, s02, s03)
	add4(c1, alpha, s10, s11, s12, s13)
}

func oneRow(step, k int, alpha float32, a, b, c []float32) {
	var s0, s1, s2, s3 float32
	for i, b := 0, b[:4*k]; len(b) >= 4; i, b = i+step, b[4:] {
		a0 := a[i]
		s0 += a0 * b[0]
		s1 += a0 * b[1]
		s2 += a0 * b[2]
		s3 += a0 * b[3]
	}
	add4(c, alpha, s0, s1, s2, s3)
}

func add4(c []float32, alpha, s0, s1, s2, s3 float32) {
	c = c[:4]
	c[0] += float32(alpha * s0)
	c[1] += float32(alpha * s1)
	c[2] += float32(alpha * s2)
	c[3] += float32(alpha * s3)
}
