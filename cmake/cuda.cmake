# Finds the CUDA Toolkit. Afterwards CMAKE_CUDA_COMPILER is set, or GPU workers are left out.

set(CMAKE_CUDA_STANDARD 17)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(CMAKE_CUDA_EXTENSIONS OFF)
set(CMAKE_CUDA_FLAGS_RELWITHDEBINFO "-O3 -lineinfo -DNDEBUG")
if(GANTRY_CCACHE)
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${GANTRY_CCACHE})
endif()

# NVIDIA's installer does not touch PATH.
find_program(GANTRY_NVCC nvcc HINTS ENV CUDACXX PATHS ENV CUDA_HOME /usr/local/cuda PATH_SUFFIXES bin)
if(NOT GANTRY_NVCC)
  message(STATUS "No nvcc: GPU workers are left out, and --device cuda:N is refused")
  return()
endif()
set(CMAKE_CUDA_COMPILER ${GANTRY_NVCC})
# Those before 9.0 and what is newer than this toolkit, too: the latter compile the PTX of 10.0 or 9.0.
set(default_architectures OFF)
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES AND "$ENV{CUDAARCHS}" STREQUAL "")
  set(default_architectures ON)
  set(CMAKE_CUDA_ARCHITECTURES 75-real 80-real 86-real 89-real 90a-real)
endif()
enable_language(CUDA)
if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 12)
  message(FATAL_ERROR "${CMAKE_CUDA_COMPILER} is of CUDA ${CMAKE_CUDA_COMPILER_VERSION}, expected 12.0 or "
    "later; install it, or leave GPU workers out with -DGANTRY_CUDA=OFF")
endif()
# A tenth of the bytes: every program that links the kernels carries them for all architectures.
if(NOT CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 12.8)
  string(APPEND CMAKE_CUDA_FLAGS " --compress-mode=size")
endif()
if(default_architectures)
  if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 12.8)
    list(APPEND CMAKE_CUDA_ARCHITECTURES 90-virtual)
  else()
    list(APPEND CMAKE_CUDA_ARCHITECTURES 100 120-real)
  endif()
endif()
find_package(CUDAToolkit REQUIRED)
foreach(library cudart_static cublas cublasLt)
  if(NOT TARGET CUDA::${library})
    message(FATAL_ERROR "the CUDA Toolkit of ${CMAKE_CUDA_COMPILER} has no ${library}; install it, or leave "
      "GPU workers out with -DGANTRY_CUDA=OFF")
  endif()
endforeach()
# cuBLAS is opened when it is needed: that of this machine, and on another where NVIDIA's installer puts it.
list(APPEND CMAKE_INSTALL_RPATH ${CUDAToolkit_LIBRARY_DIR} /usr/local/cuda/lib64)
list(REMOVE_DUPLICATES CMAKE_INSTALL_RPATH)
