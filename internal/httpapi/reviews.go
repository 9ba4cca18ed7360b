package httpapi

import (
	"context"

	"github.com/shiyi-market/shiyi/internal/catalog"
	"github.com/shiyi-market/shiyi/internal/file"
	"github.com/shiyi-market/shiyi/internal/httpapi/oas"
	"github.com/shiyi-market/shiyi/internal/id"
	"github.com/shiyi-market/shiyi/internal/order"
	"github.com/shiyi-market/shiyi/internal/review"
)

// reviews answers what the contract says of reviews.
type reviews struct{ reviews *review.Service }

// ListProductReviews answers GET /v1/products/{product_id}/reviews.
func (h reviews) ListProductReviews(ctx context.Context, r oas.ListProductReviewsRequestObject) (oas.ListProductReviewsResponseObject, error) {
	p, err := h.reviews.OfProduct(ctx, id.From[catalog.Product](r.ProductId), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireReview)
	return oas.ListProductReviews200JSONResponse{Data: data, NextCursor: next}, nil
}

// GetReviewSummary answers GET /v1/products/{product_id}/reviews/summary.
func (h reviews) GetReviewSummary(ctx context.Context, r oas.GetReviewSummaryRequestObject) (oas.GetReviewSummaryResponseObject, error) {
	s, err := h.reviews.Summary(ctx, id.From[catalog.Product](r.ProductId))
	if err != nil {
		return nil, err
	}
	return oas.GetReviewSummary200JSONResponse{Count: s.Count, Hidden: s.Hidden, AverageTenths: s.AverageTenths, Stars: s.Histogram[:]}, nil
}

// WriteReview answers POST /v1/orders/{order_id}/reviews.
func (h reviews) WriteReview(ctx context.Context, r oas.WriteReviewRequestObject) (oas.WriteReviewResponseObject, error) {
	made, err := h.reviews.Write(ctx, callerOf(ctx), id.From[order.Order](r.OrderId), review.Writing{
		Line: r.Body.Line, Stars: r.Body.Stars, Text: r.Body.Text, Pictures: fromFiles(value(r.Body.PictureIds)), Anonymous: value(r.Body.Anonymous),
	})
	if err != nil {
		return nil, err
	}
	return oas.WriteReview201JSONResponse(wireOwnReview(made)), nil
}

// ListReviews answers GET /v1/reviews.
func (h reviews) ListReviews(ctx context.Context, r oas.ListReviewsRequestObject) (oas.ListReviewsResponseObject, error) {
	p, err := h.reviews.Own(ctx, callerOf(ctx), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireOwnReview)
	return oas.ListReviews200JSONResponse{Data: data, NextCursor: next}, nil
}

// FollowUpReview answers POST /v1/reviews/{review_id}/follow-up.
func (h reviews) FollowUpReview(ctx context.Context, r oas.FollowUpReviewRequestObject) (oas.FollowUpReviewResponseObject, error) {
	made, err := h.reviews.Add(ctx, callerOf(ctx), id.From[review.Review](r.ReviewId), review.Addition{
		Text: r.Body.Text, Pictures: fromFiles(value(r.Body.PictureIds)),
	})
	if err != nil {
		return nil, err
	}
	return oas.FollowUpReview201JSONResponse(wireOwnReview(made)), nil
}

// ListMerchantReviews answers GET /v1/merchant/reviews.
func (h reviews) ListMerchantReviews(ctx context.Context, r oas.ListMerchantReviewsRequestObject) (oas.ListMerchantReviewsResponseObject, error) {
	p, err := h.reviews.OfMerchants(ctx, callerOf(ctx), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireReview)
	return oas.ListMerchantReviews200JSONResponse{Data: data, NextCursor: next}, nil
}

// AnswerReview answers POST /v1/merchant/reviews/{review_id}/answers.
func (h reviews) AnswerReview(ctx context.Context, r oas.AnswerReviewRequestObject) (oas.AnswerReviewResponseObject, error) {
	answered, err := h.reviews.Answer(ctx, callerOf(ctx), id.From[review.Review](r.ReviewId), r.Body.Text)
	if err != nil {
		return nil, err
	}
	return oas.AnswerReview201JSONResponse(wireReview(answered)), nil
}

// ListOpsReviews answers GET /v1/ops/reviews.
func (h reviews) ListOpsReviews(ctx context.Context, r oas.ListOpsReviewsRequestObject) (oas.ListOpsReviewsResponseObject, error) {
	p, err := h.reviews.All(ctx, callerOf(ctx), value(r.Params.Hidden), fromPage(r.Params.Cursor, r.Params.Limit))
	if err != nil {
		return nil, err
	}
	data, next := wirePage(p, wireReview)
	return oas.ListOpsReviews200JSONResponse{Data: data, NextCursor: next}, nil
}

// HideReview answers POST /v1/ops/reviews/{review_id}/hide.
func (h reviews) HideReview(ctx context.Context, r oas.HideReviewRequestObject) (oas.HideReviewResponseObject, error) {
	hidden, err := h.reviews.Hide(ctx, callerOf(ctx), id.From[review.Review](r.ReviewId), review.Ground(r.Body.Ground), r.Body.Reason)
	if err != nil {
		return nil, err
	}
	return oas.HideReview200JSONResponse(wireReview(hidden)), nil
}

// ShowReview answers POST /v1/ops/reviews/{review_id}/show.
func (h reviews) ShowReview(ctx context.Context, r oas.ShowReviewRequestObject) (oas.ShowReviewResponseObject, error) {
	shown, err := h.reviews.Show(ctx, callerOf(ctx), id.From[review.Review](r.ReviewId), r.Body.Reason)
	if err != nil {
		return nil, err
	}
	return oas.ShowReview200JSONResponse(wireReview(shown)), nil
}

// wireReview is a review as others see it: nothing in it leads to who wrote it.
func wireReview(r review.Review) oas.PublicReview {
	w := oas.PublicReview{
		Id: r.ID.UUID(), ProductId: r.Product.UUID(), Author: optional(r.Author), Stars: optional(r.Stars), Text: optional(r.Text),
		PictureIds: wireFiles(r.Pictures), WrittenAt: r.At.UTC(),
	}
	if f := r.FollowUp; !f.At.IsZero() {
		w.FollowUp = &oas.ReviewFollowUp{Text: f.Text, PictureIds: wireFiles(f.Pictures), WrittenAt: f.At.UTC()}
	}
	if a := r.Answer; a.N > 0 {
		w.Answer = &oas.ReviewAnswer{Text: a.Text, Number: a.N, At: a.At.UTC()}
	}
	if v := r.Visibility; v.Hidden {
		w.Hidden = &oas.ReviewHidden{Ground: oas.ReviewGround(v.Ground), Reason: v.Reason, At: v.At.UTC()}
	}
	return w
}

// wireOwnReview is a review as its author sees it.
func wireOwnReview(r review.Review) oas.Review {
	return oas.Review{OrderId: r.Order.UUID(), Line: r.Line, Review: wireReview(r)}
}

func wireFiles(all []file.ID) []oas.Id { return wireAll(all, file.ID.UUID) }

func fromFiles(all []oas.Id) []file.ID {
	var out []file.ID
	for _, f := range all {
		out = append(out, id.From[file.File](f))
	}
	return out
}
