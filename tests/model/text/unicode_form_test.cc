#include "model/text/unicode_form.h"

#include <random>

#include "base/utf8.h"
#include "gtest/gtest.h"

namespace gantry {
namespace {

std::string ToNfc(const std::string& text) {
  return ToUnicodeForm(UnicodeForm::kNfc, FlaggedText::From(MarkedText(text))).text;
}

TEST(UnicodeFormTest, EqualsPythonsUnicodedata) {
  const struct {
    std::string text;
    std::string nfc;
  } kCases[] = {
      {std::string("", 0), std::string("", 0)},
      {std::string("\160\154\141\151\156", 5), std::string("\160\154\141\151\156", 5)},
      {std::string("\303\251", 2), std::string("\303\251", 2)},
      {std::string("\145\314\201", 3), std::string("\303\251", 2)},
      {std::string("\141\314\201\314\243", 5), std::string("\341\272\241\314\201", 5)},
      {std::string("\141\314\243\314\201", 5), std::string("\341\272\241\314\201", 5)},
      {std::string("\341\272\233\314\243", 5), std::string("\341\272\233\314\243", 5)},
      {std::string("\342\204\253", 3), std::string("\303\205", 2)},
      {std::string("\342\204\246", 3), std::string("\316\251", 2)},
      {std::string("\352\260\200", 3), std::string("\352\260\200", 3)},
      {std::string("\341\204\200\341\205\241\341\206\250", 9), std::string("\352\260\201", 3)},
      {std::string("\315\204", 2), std::string("\314\210\314\201", 4)},
      {std::string("\340\245\230", 3), std::string("\340\244\225\340\244\274", 6)},
      {std::string("\340\275\203", 3), std::string("\340\275\202\340\276\267", 6)},
      {std::string("\342\253\234", 3), std::string("\342\253\235\314\270", 5)},
      {std::string("\357\254\235", 3), std::string("\327\231\326\264", 4)},
      {std::string("\161\314\207\314\243", 5), std::string("\161\314\243\314\207", 5)},
      {std::string("\314\201\141", 3), std::string("\314\201\141", 3)},
      {std::string("\170\314\201\314\201\171", 6), std::string("\170\314\201\314\201\171", 6)},
      {std::string("\360\235\205\236", 4), std::string("\360\235\205\227\360\235\205\245", 8)},
      {std::string("\340\247\207\340\246\276", 6), std::string("\340\247\213", 3)},
      {std::string("\340\255\207\340\255\226", 6), std::string("\340\255\210", 3)},
      {std::string("\357\254\201\040\154\151\147\141\164\165\162\145", 12),
       std::string("\357\254\201\040\154\151\147\141\164\165\162\145", 12)},
      {std::string("\303\205\040\101\314\212", 6), std::string("\303\205\040\303\205", 5)},
      {std::string("\000\145\314\201", 4), std::string("\000\303\251", 3)},
  };
  for (const auto& c : kCases) EXPECT_EQ(ToNfc(c.text), c.nfc) << c.text;
}

// Marks in falling order of their combining class: sorting them one by one takes quadratic time.
TEST(UnicodeFormTest, LongRunsOfMarksAreSorted) {
  std::string text = "x";
  std::string sorted = "x";
  for (int i = 0; i < 500'000; ++i) text += "\xcc\x83";  // U+0303, class 230
  for (int i = 0; i < 500'000; ++i) text += "\xcc\xa7";  // U+0327, class 202
  for (int i = 0; i < 500'000; ++i) sorted += "\xcc\xa7";
  for (int i = 0; i < 500'000; ++i) sorted += "\xcc\x83";
  EXPECT_EQ(ToNfc(text), sorted);
}

TEST(UnicodeFormTest, TwiceIsOnce) {
  std::mt19937 random(5);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (int i = 0; i < 20; ++i) {
      const char32_t starts[] = {'a', 0x300, 0x1100, 0x1161, 0x900, 0x3040, 0xf900, 0x1d150};
      AppendUtf8(starts[random() % 8] + random() % 80, &text);
    }
    const std::string once = ToNfc(text);
    EXPECT_TRUE(IsValidUtf8(once));
    EXPECT_EQ(ToNfc(once), once);
  }
}

}  // namespace
}  // namespace gantry
