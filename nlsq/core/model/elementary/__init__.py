"""Elementary functions of double arrays on the CPU, in place of XLA's, in a model that was traced.

XLA calls the C library or a scalar routine for every element of most of them. Here each is straight
arithmetic without branches or tables, which LLVM compiles to vector code, kept out of other loops
by a function boundary (`doubles.apart`). `replacing` puts them into a program.
"""
