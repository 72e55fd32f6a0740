"""What backends really say when memory runs out, and what sounds like it and is something else."""

from __future__ import annotations

import errno

import pytest
from vramwise.errors import VramwiseError
from vramwise.ocr.vlm.compat import is_out_of_memory

# Each as RuntimeError: torch.OutOfMemoryError is only CUDA's, HIP's and XPU's own allocator's.
MEMORY = [
    # torch: c10/cuda/CUDACachingAllocator.cpp and its kin; pytorch, ComfyUI issues
    "CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 11.76 GiB total capacity; 9.02 GiB already all",
    "HIP out of memory. Tried to allocate 26.00 MiB. GPU 0 has a total capacity of 107.87 GiB of which 53.",
    "XPU out of memory. Tried to allocate 128.00 GiB. GPU 0 has a total capacity of 15.56 GiB.",
    "NPU out of memory. Tried to allocate 1.91 GiB (NPU 0; 60.97 GiB total capacity)",
    "MPS backend out of memory (MPS allocated: 17.9 GB, other allocations: 1.0 GB, max allowed: 18.1 GB)",
    "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported at some other API call",
    "CUDA driver error: out of memory",
    "CUDA_ERROR_OUT_OF_MEMORY: out of memory",
    "Allocation on device 0 would exceed allowed memory. (out of memory)",
    "[enforce fail at alloc_cpu.cpp:121] data. DefaultCPUAllocator: not enough memory: you tried to alloca",
    "[enforce fail at alloc_cpu.cpp:75] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
    "1073741824 bytes. Error code 12 (Cannot allocate memory)",
    "unable to mmap 4967215360 bytes from file <model.safetensors>: Cannot allocate memory (12)",
    # Apple: aten/src/ATen/mps/MPSAllocator.mm; llama.cpp pull 22673; Metal
    "Invalid buffer size: 12.20 GB",
    "Invalid buffer size: 19.38 GiB",
    "Failed to allocate private MTLBuffer for size 8589934592",
    "error: Insufficient Memory (00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)",
    # NVIDIA's libraries: layumi/Person_reID_baseline_pytorch 286, torch7 780
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    "cuDNN Frontend error: [cudnn_frontend] Error: CUDNN_STATUS_ALLOC_FAILED",
    "cusolver error: CUSOLVER_STATUS_ALLOC_FAILED, when calling `cusolverDnCreate(handle)`",
    "cuFFT error: CUFFT_ALLOC_FAILED",
    "CUDA error: cudaErrorMemoryAllocation",
    # AMD: keras 13889, MIOpen 47, legacy-rocm-build 6624
    "HIP error: hipErrorOutOfMemory",
    "HIP_ERROR_OutOfMemory",
    "CUDA error: HIPBLAS_STATUS_ALLOC_FAILED when calling `hipblasCreate(handle)`",
    "MIOpen Error: /data/repo/MIOpen/src/hip/handlehip.cpp:70: Memory not available to allocate buffer: 65",
    "miopenStatusAllocFailed",
    "rocblas_status_memory_error",
    "HSA_STATUS_ERROR_OUT_OF_RESOURCES: The runtime failed to allocate the necessary resources.",
    # Intel: ComfyUI-GGUF 282, sdnext 1526, ipex-llm 9467
    "Native API failed. Native API returns: 39 (UR_RESULT_ERROR_OUT_OF_DEVICE_MEMORY)",
    "Native API failed. Native API returns: 38 (UR_RESULT_ERROR_OUT_OF_HOST_MEMORY)",
    "Native API failed. Native API returns: 40 (UR_RESULT_ERROR_OUT_OF_RESOURCES)",
    "Native API failed. Native API returns: -5 (PI_ERROR_OUT_OF_RESOURCES) -5 (PI_ERROR_OUT_OF_RESOURCES)",
    "Native API failed. Native API returns: -4 (PI_ERROR_MEM_OBJECT_ALLOCATION_FAILURE)",
    "ZE_RESULT_ERROR_OUT_OF_DEVICE_MEMORY",
    "[GPU] clEnqueueMapBuffer, error code: -5 CL_OUT_OF_RESOURCES",
    "[GPU] Exceeded max size of memory object allocation: requested 5368709120 bytes, but max alloc size i",
    # DirectML 579, ONNX Runtime 22702, XLA, bitsandbytes
    "Could not allocate tensor with 234881024 bytes. There is not enough GPU video memory available!",
    "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : bfc_arena.cc:376 void* onnxruntime::BFCArena::AllocateRa "
    "(size_t, bool) Failed to allocate memory for requested buffer of size 8388608000",
    "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 2147483648 bytes.",
    "Error out of memory at line 380 in file /src/csrc/pythonInterface.cpp",
    "OOM when allocating tensor with shape[16,128,98,98] and type float",
    "vk::Device::allocateMemory: ErrorOutOfDeviceMemory",
    "[GPU] clCreateBuffer, error code: -61 CL_INVALID_BUFFER_SIZE",
    'NVML_SUCCESS == r INTERNAL ASSERT FAILED at "../c10/cuda/CUDACachingAllocator.cpp":1124',
    # C++ and the systems
    "[enforce fail at CPUAllocator.cpp:67] . DefaultCPUAllocator: posix_memalign(&data, gAlignment, nbytes)",
    "mmap: ENOMEM",
    "std::bad_alloc",
    "bad allocation",
    "The paging file is too small for this operation to complete. (os error 1455)",
]

SOMETHING_ELSE = [
    "CUDA error: an illegal memory access was encountered",
    "CUDA error: device-side assert triggered",
    "CUDA error: misaligned address",
    "CUDA error: unspecified launch failure",
    "CUDA error: no kernel image is available for execution on the device",
    "CUDA error: invalid configuration argument",
    "CUDA error: too many resources requested for launch",
    "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES: too many resources requested for launch",
    "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx`",
    "CUDA error: CUBLAS_STATUS_NOT_SUPPORTED when calling `cublasLtMatmul`",
    "cuDNN error: CUDNN_STATUS_MAPPING_ERROR",
    "cuDNN error: CUDNN_STATUS_NOT_SUPPORTED. This error may appear if you passed in a non-contiguous input.",
    "The NVIDIA driver on your system is too old (found version 11040).",
    "out of resource: shared memory, Required: 102400, Hardware limit: 101376. Reducing block sizes may he",
    "out of resource: threads, Required: 2048, Hardware limit: 1024.",
    "HIP error: invalid device function",
    "HIP error: hipErrorNoBinaryForGpu",
    "HSA_STATUS_ERROR_MEMORY_APERTURE_VIOLATION: The agent attempted to access memory beyond the largest l",
    "Memory access fault by GPU node-1 on address 0x7f. Reason: Page not present or supervisor privilege.",
    "Native API failed. Native API returns: 20 (UR_RESULT_ERROR_DEVICE_LOST)",
    "Native API failed. Native API returns: 4 (UR_RESULT_ERROR_INVALID_VALUE)",
    "MPSGraph does not support tensor dims larger than INT_MAX",
    "Placeholder storage has not been allocated on MPS device!",
    "Tensor on device meta is not on the expected device cpu!",
    "mat1 and mat2 shapes cannot be multiplied (77x2048 and 768x320)",
    "Sizes of tensors must match except in dimension 1.",
    "index 5 is out of bounds for dimension 0 with size 5",
    "unsupported memory format option Preserve",
    "cannot pin 'torch.cuda.FloatTensor' only dense CPU tensors can be pinned in memory",
    "setStorage: sizes [4], strides [1], storage offset 0 requiring a storage size of 16 are out of bounds",
    "[Errno 28] No space left on device",
    "Address out of memory range",
    "The expanded size of the tensor (64) must match the existing size (63)",
    "NCCL error: unhandled system error",
    "Invalid buffer size, the packet length must be a multiple of 4 bytes",
    "torch.UntypedStorage(): Storage device not recognized: privateuseone",
]  # fmt: skip


@pytest.mark.parametrize("said", MEMORY)
def test_out_of_memory_is_known_in_every_backends_words(said: str) -> None:
    assert is_out_of_memory(RuntimeError(said))


@pytest.mark.parametrize("said", SOMETHING_ELSE)
def test_what_only_sounds_like_it_is_something_else(said: str) -> None:
    assert not is_out_of_memory(RuntimeError(said))


def raised_from(cause: BaseException, error: BaseException) -> BaseException:
    try:
        raise error from cause
    except BaseException as raised:
        return raised


def while_handling(cause: Exception, error: Exception) -> Exception:
    try:
        try:
            raise cause
        except Exception:
            raise error  # noqa: B904
    except Exception as raised:
        return raised


FULL = RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")


class Grouped(Exception):
    """As ExceptionGroup, which Python 3.10 does not have."""

    def __init__(self, *exceptions: Exception) -> None:
        super().__init__("2 sub-exceptions")
        self.exceptions = exceptions


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        raised_from(FULL, ValueError("The weights could not be converted.")),
        raised_from(raised_from(FULL, KeyError("layer")), RuntimeError("The model could not be loaded.")),
        while_handling(FULL, RuntimeError("Error while fusing weights")),
        Grouped(ValueError("another"), FULL),
    ],
)
def test_the_cause_counts_and_so_does_the_systems_own_error(error: BaseException) -> None:
    assert is_out_of_memory(error)


def test_a_circle_of_causes_ends_and_a_sentence_of_ours_is_never_taken_for_the_event() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert not is_out_of_memory(first)
    assert not is_out_of_memory(VramwiseError("Qwen3-VL ran out of memory, also with one picture."))
    assert not is_out_of_memory(OSError(errno.ENOSPC, "No space left on device"))


def test_torchs_own_classes_are_known_and_an_accelerators_error_by_its_code() -> None:
    torch = pytest.importorskip("torch")
    assert is_out_of_memory(torch.OutOfMemoryError("Allocation on device"))
    refused = type("AcceleratorError", (RuntimeError,), {"error_code": 2})("CUDA error: 2")
    assert is_out_of_memory(refused)
    refused.error_code = 700  # an illegal access
    assert not is_out_of_memory(refused)


def test_the_hosts_judgement_is_asked_and_may_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    from vramwise import host

    odd = RuntimeError("a word that nobody has seen before")
    monkeypatch.setattr(host._Host, "out_of_memory", lambda error: error is odd)
    assert is_out_of_memory(odd) and not is_out_of_memory(RuntimeError("another"))
    monkeypatch.setattr(host._Host, "out_of_memory", lambda error: 1 / 0)
    assert not is_out_of_memory(odd)
