// Package overopt says what optimising against a reward costs. The harder a sampler or a trainer leans on a proxy reward, the
// further it goes from the base policy; the reward that people would give rises with it, bends and falls. Gao, Schulman and
// Hilton 2022 (https://arxiv.org/abs/2210.10760) found that the gold reward is a simple function of the distance
// d = √KL(policy‖base): see [Form]. The package fits that function to measurements and says where the peak is.
//
// It stands beside evaluate, which measures one policy, and gate, which decides on one: here it is the whole curve that counts.
package overopt
