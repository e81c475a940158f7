module tailnet-discovery/benchmarks/peers

go 1.21
