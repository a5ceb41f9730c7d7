#include "kernels/cuda/cublas_library.h"

#include <cublas_v2.h>
#include <dlfcn.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace gantry {
namespace {

struct Library {
  std::string error;  // why it could not be opened
  decltype(&cublasCreate) create = nullptr;
  decltype(&cublasDestroy) destroy = nullptr;
  decltype(&cublasGetStatusString) get_status_string = nullptr;
  decltype(&cublasSetMathMode) set_math_mode = nullptr;
  decltype(&cublasSetStream) set_stream = nullptr;
  decltype(&cublasSetWorkspace) set_workspace = nullptr;
  // The header overloads its name.
  cublasStatus_t (*gemm_ex)(cublasHandle_t, cublasOperation_t, cublasOperation_t, int, int, int,
                            const void*, const void*, cudaDataType, int, const void*, cudaDataType,
                            int, const void*, void*, cudaDataType, int, cublasComputeType_t,
                            cublasGemmAlgo_t) = nullptr;
  cublasStatus_t (*gemm_strided_batched_ex)(cublasHandle_t, cublasOperation_t, cublasOperation_t,
                                            int, int, int, const void*, const void*, cudaDataType,
                                            int, long long, const void*, cudaDataType, int,
                                            long long, const void*, void*, cudaDataType, int,
                                            long long, int, cublasComputeType_t,
                                            cublasGemmAlgo_t) = nullptr;
};

template <typename Function>
void Find(void* handle, const char* name, Function* function, std::string* error) {
  *function = reinterpret_cast<Function>(dlsym(handle, name));
  if (*function == nullptr && error->empty()) *error = absl::StrCat("it has no ", name);
}

Library Open() {
  Library l;
  const std::string file = absl::StrCat("libcublas.so.", CUBLAS_VER_MAJOR);
  // Where the programs' RPATH says, and then LD_LIBRARY_PATH.
  void* const handle = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    l.error = dlerror();
  } else {
    Find(handle, "cublasCreate_v2", &l.create, &l.error);
    Find(handle, "cublasDestroy_v2", &l.destroy, &l.error);
    Find(handle, "cublasGemmEx", &l.gemm_ex, &l.error);
    Find(handle, "cublasGemmStridedBatchedEx", &l.gemm_strided_batched_ex, &l.error);
    Find(handle, "cublasGetStatusString", &l.get_status_string, &l.error);
    Find(handle, "cublasSetMathMode", &l.set_math_mode, &l.error);
    Find(handle, "cublasSetStream_v2", &l.set_stream, &l.error);
    Find(handle, "cublasSetWorkspace_v2", &l.set_workspace, &l.error);
  }
  if (!l.error.empty()) {
    l.error = absl::StrCat("cannot use cuBLAS, ", file, ", which GPU workers need: ", l.error,
                           "; install cuBLAS of CUDA ", CUBLAS_VER_MAJOR,
                           ", or name its folder in LD_LIBRARY_PATH");
  }
  return l;
}

const Library& TheLibrary() {
  static const Library* const library = new Library(Open());
  return *library;
}

}  // namespace

absl::Status OpenCublas() {
  const std::string& error = TheLibrary().error;
  return error.empty() ? absl::OkStatus() : absl::FailedPreconditionError(error);
}

}  // namespace gantry

// As the header declares them; it adds the versions to some names.
using gantry::TheLibrary;

cublasStatus_t cublasCreate(cublasHandle_t* handle) { return TheLibrary().create(handle); }

cublasStatus_t cublasDestroy(cublasHandle_t handle) { return TheLibrary().destroy(handle); }

const char* cublasGetStatusString(cublasStatus_t status) {
  return TheLibrary().get_status_string(status);
}

cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode) {
  return TheLibrary().set_math_mode(handle, mode);
}

cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream) {
  return TheLibrary().set_stream(handle, stream);
}

cublasStatus_t cublasSetWorkspace(cublasHandle_t handle, void* workspace, size_t bytes) {
  return TheLibrary().set_workspace(handle, workspace, bytes);
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t a_op, cublasOperation_t b_op,
                            int m, int n, int k, const void* alpha, const void* a,
                            cudaDataType a_type, int a_leading, const void* b, cudaDataType b_type,
                            int b_leading, const void* beta, void* c, cudaDataType c_type,
                            int c_leading, cublasComputeType_t compute,
                            cublasGemmAlgo_t algorithm) {
  return TheLibrary().gemm_ex(handle, a_op, b_op, m, n, k, alpha, a, a_type, a_leading, b, b_type,
                              b_leading, beta, c, c_type, c_leading, compute, algorithm);
}

cublasStatus_t cublasGemmStridedBatchedEx(cublasHandle_t handle, cublasOperation_t a_op,
                                          cublasOperation_t b_op, int m, int n, int k,
                                          const void* alpha, const void* a, cudaDataType a_type,
                                          int a_leading, long long a_stride, const void* b,
                                          cudaDataType b_type, int b_leading, long long b_stride,
                                          const void* beta, void* c, cudaDataType c_type,
                                          int c_leading, long long c_stride, int count,
                                          cublasComputeType_t compute, cublasGemmAlgo_t algorithm) {
  return TheLibrary().gemm_strided_batched_ex(
      handle, a_op, b_op, m, n, k, alpha, a, a_type, a_leading, a_stride, b, b_type, b_leading,
      b_stride, beta, c, c_type, c_leading, c_stride, count, compute, algorithm);
}
