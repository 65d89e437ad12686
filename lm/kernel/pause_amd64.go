package kernel

func pause() { pauseAMD64(1) }
